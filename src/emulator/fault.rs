//! Deterministic faults: what goes wrong, and at which command.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What happens instead of (or to) the answer of one command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The command is executed; the card answers after this time.
    Delay(Duration),
    /// The command is not executed; pseudo-random bytes are answered.
    Garbage,
    /// The command is executed; the answer carries hundreds of bytes too many.
    Long,
    /// The command is not executed and nothing is answered, now and until the card is powered again.
    Mute,
    /// The card leaves the reader before the command is executed.
    Remove,
    /// Another program resets the card before the command is executed.
    Reset,
    /// The command is executed; half of the answer is lost (at least one byte of the status word).
    Short,
    /// The command is not executed; this status word is answered.
    Status(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(f, "delay={}", time.as_millis()),
            Self::Garbage => f.write_str("garbage"),
            Self::Long => f.write_str("long"),
            Self::Mute => f.write_str("mute"),
            Self::Remove => f.write_str("remove"),
            Self::Reset => f.write_str("reset"),
            Self::Short => f.write_str("short"),
            Self::Status(word) => write!(f, "status={word:04X}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('=') {
            None => match text {
                "garbage" => Self::Garbage,
                "long" => Self::Long,
                "mute" => Self::Mute,
                "remove" => Self::Remove,
                "reset" => Self::Reset,
                "short" => Self::Short,
                _ => return Err(unknown(text)),
            },
            Some(("delay", value)) => {
                Self::Delay(Duration::from_millis(value.parse().map_err(|_| {
                    format!("`{value}` is not a number of milliseconds")
                })?))
            }
            Some(("status", value)) => {
                Self::Status(u16::from_str_radix(value, 16).map_err(|_| {
                    format!("`{value}` is not a status word of four hexadecimal digits")
                })?)
            }
            Some(_) => return Err(unknown(text)),
        })
    }
}

fn unknown(text: &str) -> String {
    format!(
        "unknown fault `{text}`; use remove, reset, mute, delay=MILLISECONDS, status=SW12, garbage, short or long"
    )
}

/// One fault and the commands it strikes, counted from the moment the plan is armed.
///
/// Text form: `remove@5` strikes the fifth command only, `status=6F00@2+` the second and all later
/// ones; without `@` the next command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FaultPlan {
    /// What happens.
    pub fault: Fault,
    /// First command struck, from 1.
    pub at: u32,
    /// Strike every later command too.
    pub onwards: bool,
}

impl FaultPlan {
    /// Strikes the `nth` command (from 1) after arming, once.
    pub fn at(nth: u32, fault: Fault) -> Self {
        Self {
            fault,
            at: nth,
            onwards: false,
        }
    }

    /// Strikes the `nth` command (from 1) after arming and every later one.
    pub fn from(nth: u32, fault: Fault) -> Self {
        Self {
            fault,
            at: nth,
            onwards: true,
        }
    }

    pub(crate) fn strikes(&self, nth: u32) -> bool {
        nth == self.at || (self.onwards && nth > self.at)
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plus = if self.onwards { "+" } else { "" };
        write!(f, "{}@{}{plus}", self.fault, self.at)
    }
}

impl FromStr for FaultPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (fault, position) = text.split_once('@').unwrap_or((text, "1"));
        let (number, onwards) = match position.strip_suffix('+') {
            Some(number) => (number, true),
            None => (position, false),
        };
        match number.parse() {
            Ok(at) if at > 0 => Ok(Self {
                fault: fault.parse()?,
                at,
                onwards,
            }),
            _ => Err(format!(
                "`{position}` is not a command number; count from 1"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for text in [
            "remove@5",
            "delay=200@1",
            "status=6A82@3+",
            "garbage@2",
            "mute@1+",
        ] {
            assert_eq!(
                text.parse::<FaultPlan>().map(|plan| plan.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!("reset".parse(), Ok(FaultPlan::at(1, Fault::Reset)));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "remove@0",
            "remove@x",
            "status=zz@1",
            "explode@1",
            "delay=@1",
            "",
        ] {
            assert!(text.parse::<FaultPlan>().is_err(), "{text}");
        }
    }

    #[test]
    fn strikes_once_or_onwards() {
        assert!(!FaultPlan::at(2, Fault::Mute).strikes(1));
        assert!(FaultPlan::at(2, Fault::Mute).strikes(2));
        assert!(!FaultPlan::at(2, Fault::Mute).strikes(3));
        assert!(FaultPlan::from(2, Fault::Mute).strikes(3));
    }
}
