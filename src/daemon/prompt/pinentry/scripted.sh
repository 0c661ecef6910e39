#!/bin/sh
# A pinentry for tests. The name it is started under says how it behaves; what it is told is
# written to `log` beside that name, its process number to `pid`.
folder=$(dirname "$0")
mode=$(basename "$0")
echo $$ >"$folder/pid"
echo "started DISPLAY=$DISPLAY LISTEN_FDS=$LISTEN_FDS" >>"$folder/log"

case $mode in
silent) exec sleep 600 ;;
unwilling) echo "ERR 83886165 No tty"; exit ;;
esac
echo "OK Pleased to meet you"

while read -r line; do
    echo "$line" >>"$folder/log"
    case "$mode:$line" in
    *:GETINFO*) case $mode in gnome) echo "D gnome3" ;; *) echo "D qt" ;; esac ;;
    strict:OPTION* | strict:SETKEYINFO* | strict:SETTIMEOUT*) echo "ERR 83886254 Unknown option"; continue ;;
    mute-text:SETDESC*) echo "ERR 83886355 Unknown command"; continue ;;
    good:GETPIN | strict:GETPIN)
        echo "S PASSWORD_FROM_NOWHERE"
        echo "# a comment"
        echo "D 12%25"
        echo "D 34"
        ;;
    empty:GETPIN) ;;
    cancel:GETPIN | cancel:CONFIRM*) echo "ERR 83886179 Operation cancelled"; continue ;;
    third:CONFIRM* | gnome:CONFIRM*) echo "ERR 83886194 Not confirmed"; continue ;;
    late:GETPIN) echo "ERR 83886142 Timeout"; continue ;;
    broken:GETPIN) echo "ERR 83886340 No such device"; continue ;;
    hang:GETPIN | hang:CONFIRM*) exec sleep 600 ;;
    quit:GETPIN) exit ;;
    babble:GETPIN) echo "9876 is no answer"; continue ;;
    escape:GETPIN) echo "D 98%7" ;;
    number:GETPIN) echo "ERR x"; continue ;;
    endless:GETPIN) while :; do printf 9999999999999999; done ;;
    flood:GETPIN) while :; do echo "D 9999999999999999"; done ;;
    chatter:GETPIN) while :; do echo "S progress"; done ;;
    esac
    echo OK
done
