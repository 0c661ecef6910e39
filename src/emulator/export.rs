//! The test PKI as files, for servers and scripts.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use cps_emulator::{
    Authority, CrlVariant, Holder, Pki, ServerFlaw, ServerIdentity, certificate_pem,
};

use super::PkiArguments;

const FILES: &str = "\
The test PKI of cpsd. Nothing outside its tests trusts it.

anchors.pem         the three roots
intermediates.pem   the six intermediates
ca/                 each authority, DER
crl/                each revocation list, DER: NAME.crl lists the revoked fixtures, NAME-empty.crl nothing,
                    NAME-expired.crl is out of date, NAME-wrong-signature.crl is forged
server/             good, expired, revoked, rogue: chain (.pem) and key (.key); rogue-root.pem
organisation/       authentication and signature: chain (.pem) and key (.key)
holders/            the certificates of each card, DER
";

/// Writes everything below the folder of the arguments.
pub(crate) fn write(arguments: &PkiArguments) -> Result<(), String> {
    let pki = Pki::new(SystemTime::now()).with_base_url(&arguments.crl_base);
    let out = Folder(&arguments.out);
    out.file("README", FILES)?;
    out.file("anchors.pem", pems(&pki.anchors_der()))?;
    out.file("intermediates.pem", pems(&pki.intermediates_der()))?;
    for authority in Authority::ALL {
        let name = authority.file_name().replace(' ', "-");
        out.file(&format!("ca/{name}.cer"), pki.authority_der(authority))?;
        for (suffix, variant) in [
            ("", CrlVariant::Revoked),
            ("-empty", CrlVariant::Empty),
            ("-expired", CrlVariant::Expired),
            ("-wrong-signature", CrlVariant::WrongSignature),
        ] {
            out.file(
                &format!("crl/{name}{suffix}.crl"),
                pki.crl_der(authority, variant),
            )?;
        }
    }
    let names: Vec<&str> = arguments.server.iter().map(|name| &name[..]).collect();
    for (name, flaw) in [
        ("good", ServerFlaw::None),
        ("expired", ServerFlaw::Expired),
        ("revoked", ServerFlaw::Revoked),
        ("rogue", ServerFlaw::RogueRoot),
    ] {
        let identity = pki.server_with(&names, flaw);
        out.identity(&format!("server/{name}"), &identity)?;
        if flaw == ServerFlaw::RogueRoot {
            out.file("server/rogue-root.pem", certificate_pem(&identity.root_der))?;
        }
    }
    out.identity(
        "organisation/authentication",
        &pki.organisation_authentication(),
    )?;
    out.identity("organisation/signature", &pki.organisation_signature())?;
    for holder in Holder::ALL {
        out.file(
            &format!("holders/{holder}-authentication.cer"),
            pki.authentication_der(holder),
        )?;
        out.file(
            &format!("holders/{holder}-signature.cer"),
            pki.signature_der(holder),
        )?;
        out.file(
            &format!("holders/{holder}-technical.cer"),
            pki.technical_der(holder),
        )?;
    }
    Ok(())
}

fn pems(ders: &[Vec<u8>]) -> String {
    ders.iter().map(|der| certificate_pem(der)).collect()
}

struct Folder<'a>(&'a Path);

impl Folder<'_> {
    fn identity(&self, name: &str, identity: &ServerIdentity) -> Result<(), String> {
        self.file(&format!("{name}.pem"), &identity.chain_pem)?;
        self.file(&format!("{name}.key"), &identity.key_pem)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<(), String> {
        let path = self.0.join(name);
        let problem = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .map_err(problem)?;
        fs::write(&path, content).map_err(problem)
    }
}
