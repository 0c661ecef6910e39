//! The ways out that the module tries.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Command;
use std::{env, ptr, thread};

use cryptoki_sys::{CK_RV, CKR_HOST_MEMORY};

/// One `name=outcome` per line: `ok`, or the number of the error.
///
/// `HOSTILE_OUTSIDE` is a folder with a file `file` that must not be changed, `HOSTILE_INSIDE` one
/// that may be; `HOSTILE_ABSTRACT` is the name of an abstract socket that somebody listens on, and
/// `HOSTILE_INSIDE/socket` the path of another; `HOSTILE_DAEMON` is the socket of the daemon. The
/// report is also the file `HOSTILE_INSIDE/report`.
pub(crate) fn all() -> String {
    let folder = |name| env::var(name).unwrap_or_default();
    let (outside, inside) = (folder("HOSTILE_OUTSIDE"), folder("HOSTILE_INSIDE"));
    let file = format!("{outside}/file");
    // SAFETY: no memory is involved.
    let daemon = unsafe { libc::getppid() };
    let mut report = String::new();
    let mut tell = |name: &str, outcome: io::Result<()>| {
        let outcome = match outcome {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.raw_os_error().unwrap_or(-1).to_string(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(report, "{name}={outcome}");
    };

    tell("read outside", fs::read(&file).map(drop));
    tell(
        "change outside",
        OpenOptions::new().append(true).open(&file).map(drop),
    );
    tell(
        "create outside",
        File::create(format!("{outside}/new")).map(drop),
    );
    tell("remove outside", fs::remove_file(&file));
    tell(
        "rename outside",
        fs::rename(&file, format!("{outside}/moved")),
    );
    tell(
        "mode outside",
        fs::set_permissions(&file, fs::Permissions::from_mode(0o777)),
    );
    tell("write inside", fs::write(format!("{inside}/new"), "new"));
    tell("remove inside", fs::remove_file(format!("{inside}/new")));
    tell(
        "path socket",
        UnixStream::connect(format!("{inside}/socket")).map(drop),
    );
    let name = SocketAddr::from_abstract_name(folder("HOSTILE_ABSTRACT"));
    let abstract_socket = name.and_then(|name| UnixStream::connect_addr(&name));
    tell("abstract socket", abstract_socket.map(drop));
    tell("connect", TcpStream::connect(("127.0.0.1", 9)).map(drop));
    tell("listen", TcpListener::bind(("127.0.0.1", 0)).map(drop));
    tell("datagram", UdpSocket::bind(("127.0.0.1", 0)).map(drop));
    tell(
        "thread",
        thread::Builder::new()
            .spawn(|| ())
            .map(|thread| drop(thread.join())),
    );
    tell("run", Command::new("/bin/true").status().map(drop));
    // SAFETY: the arguments are pointers to terminated strings or null, or numbers; whatever is
    // written fits. The child of a `fork` ends at once.
    unsafe {
        let arguments = [c"/bin/true".as_ptr(), ptr::null()];
        let end = [ptr::null()];
        tell(
            "execve",
            checked(libc::execve(arguments[0], arguments.as_ptr(), end.as_ptr()).into()),
        );
        let child = libc::fork();
        if child == 0 {
            libc::_exit(0);
        }
        tell("fork", checked(child.into()));
        let null = ptr::null_mut::<libc::c_void>();
        tell(
            "ptrace",
            checked(libc::ptrace(libc::PTRACE_ATTACH, daemon, null, null)),
        );
        tell("signal", checked(libc::kill(daemon, 0).into()));
        let limit = libc::rlimit {
            rlim_cur: 3,
            rlim_max: 3,
        };
        let files = libc::RLIMIT_NOFILE;
        tell(
            "limits",
            checked(libc::prlimit(daemon, files, &limit, ptr::null_mut()).into()),
        );
        let mut byte = 0u8;
        let local = libc::iovec {
            iov_base: ptr::from_mut(&mut byte).cast(),
            iov_len: 1,
        };
        let read = libc::process_vm_readv(daemon, &local, 1, &local, 1, 0);
        tell("memory", checked(read as i64));
        tell("own signals", checked(libc::kill(libc::getpid(), 0).into()));
        tell(
            "dumpable",
            checked(libc::prctl(libc::PR_SET_DUMPABLE, 1).into()),
        );
        tell(
            "outlive",
            checked(libc::prctl(libc::PR_SET_PDEATHSIG, 0).into()),
        );
        tell(
            "namespace",
            checked(libc::unshare(libc::CLONE_NEWUSER).into()),
        );
        tell(
            "mount",
            checked(
                libc::mount(
                    c"none".as_ptr(),
                    c"/mnt".as_ptr(),
                    c"tmpfs".as_ptr(),
                    0,
                    null,
                )
                .into(),
            ),
        );
        tell(
            "keyring",
            checked(libc::syscall(libc::SYS_keyctl, 0, 0, 0, 0, 0)),
        );
        tell("bpf", checked(libc::syscall(libc::SYS_bpf, 0, null, 0)));
        tell(
            "ring",
            checked(libc::syscall(libc::SYS_io_uring_setup, 1, null)),
        );
        let length = 2 << 30;
        let mapped = libc::mmap(null, length, libc::PROT_READ, MAP, -1, 0);
        tell(
            "two gigabytes",
            checked(if mapped == libc::MAP_FAILED { -1 } else { 0 }),
        );
    }
    tell(
        "daemon memory",
        File::open(format!("/proc/{daemon}/mem")).map(drop),
    );
    tell(
        "daemon environment",
        fs::read(format!("/proc/{daemon}/environ")).map(drop),
    );
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    // Writing to a String cannot fail.
    let _ = writeln!(report, "descriptors={descriptors}");
    let names: Vec<String> = env::vars().map(|(name, _)| name).collect();
    let _ = writeln!(report, "environment={}", names.join(" "));
    if let Ok(socket) = env::var("HOSTILE_DAEMON") {
        let answer = ask(&socket).unwrap_or_else(|error| error.to_string());
        let _ = writeln!(report, "daemon={answer}");
        let _ = fs::write(format!("{inside}/report"), &report);
    }
    report
}

/// The first line of what the daemon answers to a request for the holder's name.
fn ask(socket: &str) -> io::Result<String> {
    let mut daemon = UnixStream::connect(socket)?;
    daemon
        .write_all(b"GET /v1/identity HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(daemon).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

const MAP: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

fn checked(result: i64) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Writes outside while the library is loaded.
pub(crate) fn constructor() {
    if let Ok(outside) = env::var("HOSTILE_OUTSIDE") {
        let _ = fs::write(format!("{outside}/constructed"), "");
    }
}

/// Writes a frame on every socket there is.
pub(crate) fn speak(frame: &[u8]) {
    let length = (frame.len() as u32).to_be_bytes();
    let bytes = [&length[..], frame].concat();
    for descriptor in 3..64 {
        // SAFETY: `bytes` is as long as said.
        unsafe {
            libc::send(
                descriptor,
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_NOSIGNAL,
            )
        };
    }
}

/// Closes the line to the daemon, and stays.
pub(crate) fn close_all() -> ! {
    // SAFETY: whoever owned them loses them: that is the point.
    unsafe { libc::close_range(0, libc::c_uint::MAX, 0) };
    loop {
        thread::park();
    }
}

/// Takes memory until there is none.
pub(crate) fn memory() -> CK_RV {
    loop {
        // SAFETY: a fresh mapping, written within its length: its first byte, to spare the machine.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let page = libc::mmap(ptr::null_mut(), PIECE, protection, MAP, -1, 0);
            if page == libc::MAP_FAILED {
                return CKR_HOST_MEMORY;
            }
            page.cast::<u8>().write(1);
        }
    }
}

const PIECE: usize = 16 << 20;
