//! Writes well-formed inputs for the fuzz targets, so that mutation starts from something that a
//! parser accepts: `fuzz-seeds FOLDER`, one folder below it for each target.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use std::{env, fs, io};

use cps_emulator::{Authority, CrlVariant, Domain, Gamme, Holder, Pki};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: fuzz-seeds FOLDER");
        return ExitCode::from(2);
    };
    match seeds(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-seeds: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn seeds(folder: &Path) -> io::Result<()> {
    let pki = Pki::new(SystemTime::now());
    let seed = |target: &str, name: &str, content: &[u8]| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), content)
    };
    for holder in Holder::ALL {
        let certificate = pki.signature_der(holder);
        for target in ["certificate", "cms", "tlv"] {
            seed(target, holder.name(), &certificate)?;
        }
        seed(
            "certificate",
            &format!("{}-auth", holder.name()),
            &pki.authentication_der(holder),
        )?;
        seed(
            "certificate",
            &format!("{}-tech", holder.name()),
            &pki.technical_der(holder),
        )?;
    }
    for variant in [CrlVariant::Empty, CrlVariant::Revoked] {
        let issuer = Authority::Intermediate(Gamme::Fort, Domain::Personnes);
        seed(
            "crl",
            &format!("{variant:?}"),
            &pki.crl_der(issuer, variant),
        )?;
    }
    for (number, anchor) in pki.anchors_der().iter().enumerate() {
        seed("bundle", &number.to_string(), anchor)?;
    }
    seed(
        "bundle",
        "pem",
        pki.server(&["localhost"]).chain_pem.as_bytes(),
    )?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    seed(
        "config",
        "shipped",
        &fs::read(repository.join("packaging/cpsd.toml"))?,
    )?;
    // One command of each ISO 7816-4 case, and a chained block.
    for (name, command) in [
        ("case1", &b"\x00\x20\x00\x01"[..]),
        ("case2", b"\x00\xb0\x9c\x00\x0c"),
        ("case3", b"\x00\xa4\x08\x04\x02\x00\x01"),
        ("case4", b"\x01\x2a\x9e\x9a\x02\xab\xcd\x00"),
        ("chained", b"\x10\x2a\x80\x86\x01\x00"),
    ] {
        seed("apdu", name, command)?;
    }
    Ok(())
}
