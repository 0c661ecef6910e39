use std::time::Duration;

use cps_mail::Trouble;

use super::{CommandSource, NoToken, OUTPUT_LIMIT, TokenSource};

async fn token(command: &[&str]) -> Result<String, Trouble> {
    let command: Vec<_> = command.iter().map(|&word| word.to_owned()).collect();
    let token = CommandSource::new(&command).token(false).await;
    token.map(|token| token.as_str().to_owned())
}

#[tokio::test]
async fn the_word_that_is_printed_is_the_token() {
    let printed = token(&["/bin/echo", "eyJ.e-_~+/s="]).await;
    assert_eq!(printed.as_deref(), Ok("eyJ.e-_~+/s="));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let long = format!("head -c {} /dev/zero | tr '\\0' a", OUTPUT_LIMIT + 1);
    let commands: [&[&str]; 7] = [
        // A second attribute of the login, by the separator of XOAUTH2.
        &["/usr/bin/printf", "a\\001host=other"],
        &["/usr/bin/printf", "a\\nb"],
        &["/usr/bin/printf", ""],
        &["/bin/sh", "-c", "echo good; exit 1"],
        &["/bin/sh", "-c", &long],
        &["echo", "good"],
        &[],
    ];
    for command in commands {
        assert_eq!(token(command).await, Err(Trouble::NoToken), "{command:?}");
    }
}

#[tokio::test]
async fn the_program_sees_little_of_our_environment() {
    // Cargo sets this one for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let seen = token(&["/bin/sh", "-c", "echo x$CARGO_MANIFEST_DIR"]).await;
    assert_eq!(seen.as_deref(), Ok("x"));
}

#[tokio::test]
async fn a_program_that_does_not_end_is_given_up() {
    let command = ["/bin/sleep", "600"].map(str::to_owned);
    let source = CommandSource::new(&command);
    let given_up = source.run(false, Duration::from_millis(50)).await;
    assert!(matches!(given_up, Err(NoToken::TimedOut { .. })));
}
