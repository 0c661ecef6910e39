//! A program that loads a PKCS#11 module, in a process of its own: started for each measurement, as
//! the module's settings come from the environment.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cps_tests::{Sandbox, SoftHsm};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;

/// What the process is to do, and where.
pub(crate) struct Host {
    command: Command,
}

impl Host {
    /// For this module, in this sandbox.
    pub(crate) fn new(sandbox: &Sandbox, module: &Path) -> Self {
        let own = std::env::current_exe().expect("a program");
        let mut command = sandbox.command(own);
        command.arg("host").arg(module);
        Self { command }
    }

    /// With this in the environment.
    pub(crate) fn with(mut self, name: &str, value: &Path) -> Self {
        self.command.env(name, value);
        self
    }

    /// How long a program waits until it has the list of tokens, in milliseconds, and how many they
    /// are.
    pub(crate) fn start(mut self) -> (f64, usize) {
        let times = times(&mut self.command);
        (times[0], times[1] as usize)
    }

    /// How long each of some signatures took, in milliseconds.
    pub(crate) fn sign(mut self, signatures: usize) -> Vec<f64> {
        times(self.command.arg(signatures.to_string()))
    }
}

/// A number on each line.
fn times(command: &mut Command) -> Vec<f64> {
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .map(|line| line.parse().expect("a number"))
        .collect()
}

/// The process: loads, initialises, lists; then, with a number, signs with the P-256 key of the first
/// token that often, after some for warming up.
pub(crate) fn run(module: &Path, signatures: Option<Result<usize, std::num::ParseIntError>>) {
    let library = Pkcs11::new(module).expect("a module");
    let start = Instant::now();
    let locking = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    library.initialize(locking).expect("C_Initialize");
    let slots = library.get_slots_with_token().expect("C_GetSlotList");
    let listed = start.elapsed();
    let Some(signatures) = signatures else {
        println!("{}\n{}", milliseconds(listed), slots.len());
        return;
    };
    let slot = *slots.first().expect("a token");
    let token = library.get_token_info(slot).expect("C_GetTokenInfo");
    let session = library.open_ro_session(slot).expect("C_OpenSession");
    if token.login_required() {
        let pin = AuthPin::new(SoftHsm::PIN.into());
        session.login(UserType::User, Some(&pin)).expect("C_Login");
    }
    let private = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Sign(true),
    ];
    let key = *session
        .find_objects(&private)
        .expect("C_FindObjects")
        .first()
        .expect("a private key");
    let mut times = String::new();
    for round in 0..WARMING_UP + signatures.expect("a number") {
        let start = Instant::now();
        let signature = session
            .sign(&Mechanism::Ecdsa, key, &[7; 32])
            .expect("C_Sign");
        let took = start.elapsed();
        assert_eq!(signature.len(), 64);
        if round >= WARMING_UP {
            times.push_str(&format!("{}\n", milliseconds(took)));
        }
    }
    print!("{times}");
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// p11-kit's module for the clients of its server; its folder bears the name of the architecture.
pub(crate) fn p11_kit_client() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("/usr/lib");
    folders
        .flatten()
        .map(|folder| folder.path().join("pkcs11/p11-kit-client.so"))
        .find(|path| path.exists())
        .expect("p11-kit-client.so is missing (package p11-kit-modules: run tests/setup test)")
}

const WARMING_UP: usize = 50;
