//! PKCS#11 modules of others in the daemon's process for them: real ones work there, and whatever a
//! hostile one does, it costs one operation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cps_tests::{Sandbox, SoftHsm, binary};
use cps_verify::{Hash, Scheme};
use cpsd::modules::protocol::{KeyKind, Reason, Setup, TokenId};
use cpsd::modules::{Host, HostError, ModuleProcess};
use cpsd::prompt::LockedBuffer;

/// Long enough for a loaded machine; what must time out gets less.
const PATIENCE: Duration = Duration::from_secs(30);

fn process(name: &str, module: impl Into<PathBuf>) -> ModuleProcess {
    ModuleProcess {
        name: name.to_owned(),
        program: binary("cpsd"),
        environment: BTreeMap::new(),
        setup: Setup {
            module: module.into(),
            network: false,
            writable: Vec::new(),
        },
    }
}

fn softhsm(token: &SoftHsm<'_>) -> Host {
    let mut process = process("softhsm", SoftHsm::MODULE);
    let configuration = token.configuration().to_str().unwrap().to_owned();
    process
        .environment
        .insert("SOFTHSM2_CONF".to_owned(), configuration);
    process.setup.writable.push(token.tokens().to_owned());
    Host::start(process).unwrap()
}

fn pin(digits: &str) -> Option<LockedBuffer> {
    Some(LockedBuffer::holding(digits.as_bytes()).unwrap())
}

fn reason(error: HostError) -> Reason {
    match error {
        HostError::Refused { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

/// SoftHSM in the sandbox: RSA and P-256 keys sign in every way, the signatures verify.
#[test]
fn softhsm_signs_inside_the_walls() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "practice");
    token.generate("01", "rsa", "rsa:2048");
    token.generate("02", "ec", "EC:prime256v1");
    let host = softhsm(&token);

    let tokens = host.tokens(PATIENCE).unwrap();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(tokens[0].label, "practice");
    assert!(tokens[0].login_required);
    let id = &tokens[0].id;
    assert_eq!(host.keys(id, PATIENCE).unwrap(), []);
    let digest = Hash::Sha256.digest(b"text");
    let early = host.sign(id, "01", Scheme::Pkcs1Sha256, &digest, PATIENCE);
    assert_eq!(reason(early.unwrap_err()), Reason::NoKey);

    let wrong = host.login(id, pin("9999"), PATIENCE).unwrap_err();
    assert_eq!(reason(wrong), Reason::PinIncorrect);
    host.login(id, pin(SoftHsm::PIN), PATIENCE).unwrap();
    let keys = host.keys(id, PATIENCE).unwrap();
    let kinds: BTreeMap<_, _> = keys.iter().map(|key| (&*key.id, key.kind)).collect();
    assert_eq!(
        kinds,
        BTreeMap::from([("01", KeyKind::Rsa), ("02", KeyKind::P256)])
    );
    for key in &keys {
        let public = token.public_key(&key.id);
        assert!(key.schemes.len() >= 3, "{key:?}");
        for scheme in &key.schemes {
            let digest = scheme.hash().digest(b"text");
            let signature = host.sign(id, &key.id, *scheme, &digest, PATIENCE).unwrap();
            assert!(
                cps_verify::verifies(&public, *scheme, &digest, &signature),
                "{scheme}"
            );
        }
    }
    host.logout(id, PATIENCE).unwrap();
    assert_eq!(host.keys(id, PATIENCE).unwrap(), []);
}

/// A PIN goes to the token it was typed for, or to none.
#[test]
fn a_token_that_took_the_place_of_another_gets_no_pin() {
    let sandbox = Sandbox::new();
    let token = SoftHsm::new(&sandbox, "practice");
    let host = softhsm(&token);
    let mut other: TokenId = host.tokens(PATIENCE).unwrap().remove(0).id;
    other.serial = "another".to_owned();
    let refused = host.login(&other, pin("9999"), PATIENCE).unwrap_err();
    assert_eq!(reason(refused), Reason::TokenGone);
    let info = host.tokens(PATIENCE).unwrap().remove(0);
    assert!(!info.count_low, "the PIN was tried");
}
