//! Certificates and lists made by OpenSSL, in forms that the test PKI does not issue: elliptic
//! curves, authorities that overstep their rights, lists with a scope.

// Helpers of tests may panic as tests do; clippy exempts only functions marked as tests.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use cps_identity::{
    Certificate, Crl, Environment, InvalidCrl, Purpose, Revocation, RevocationPolicy, Trust,
    Verdict, read_certificates,
};
use jiff::Timestamp;
use tempfile::TempDir;

const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
const SERVER: &str = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                      extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost\n";
const CLIENT: &str = "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                      extendedKeyUsage=clientAuth\n";
const TRUSTED: Verdict = Verdict::Trusted {
    revocation: Revocation::NotPublished,
};

/// A folder where OpenSSL makes certificates on P-256 keys, with a root of its own.
struct Lab {
    folder: TempDir,
}

impl Lab {
    fn new() -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        lab.issue("root", "root", CA);
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .expect("the openssl command");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}\n{errors}");
    }

    /// `name` certified by `issuer`; a root when both are the same.
    fn issue(&self, name: &str, issuer: &str, extensions: &str) -> Certificate {
        self.issue_with(name, issuer, extensions, "-sha256")
    }

    fn issue_with(&self, name: &str, issuer: &str, extensions: &str, option: &str) -> Certificate {
        fs::write(self.path(&format!("{name}.ext")), extensions).unwrap();
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key \
             -out {name}.csr -subj /O=CPSD/CN={name}"
        ));
        let signer = match name == issuer {
            true => format!("-key {name}.key"),
            false => format!("-CA {issuer}.pem -CAkey {issuer}.key"),
        };
        self.openssl(&format!(
            "x509 -req -in {name}.csr {signer} -days 30 -extfile {name}.ext {option} -out {name}.pem"
        ));
        self.read(name)
    }

    fn read(&self, name: &str) -> Certificate {
        let pem = fs::read(self.path(&format!("{name}.pem"))).unwrap();
        Certificate::from_der(&read_certificates(&pem).unwrap()[0]).unwrap()
    }

    /// A list of the root; `revoked` are names of certificates, `extensions` go into its header.
    fn list(&self, revoked: &[&str], extensions: &str) -> Vec<u8> {
        let configuration = format!(
            "[ca]\ndefault_ca=lab\n[lab]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n\
             default_crl_days=7\ncrl_extensions=header\n[header]\n\
             authorityKeyIdentifier=keyid\n{extensions}\n[point]\nfullname=URI:http://127.0.0.1/a\n\
             onlyuser=TRUE\n[authorities]\nonlyCA=TRUE\n[indirect]\nindirectCRL=TRUE\n"
        );
        fs::write(self.path("configuration"), configuration).unwrap();
        fs::write(self.path("index"), "").unwrap();
        fs::write(self.path("number"), "01\n").unwrap();
        let common = "ca -config configuration -cert root.pem -keyfile root.key";
        for name in revoked {
            self.openssl(&format!("{common} -revoke {name}.pem"));
        }
        self.openssl(&format!("{common} -gencrl -out list.pem"));
        self.openssl("crl -in list.pem -outform DER -out list.der");
        fs::read(self.path("list.der")).unwrap()
    }

    /// What a server certificate is worth when the root alone is trusted.
    fn judge(&self, leaf: &Certificate, presented: &[Certificate]) -> Verdict {
        let purpose = Purpose::Server("localhost");
        self.trust()
            .check_chain(leaf, presented, purpose, Timestamp::now())
    }

    fn trust(&self) -> Trust {
        let mut trust = Trust::new(Environment::Custom, RevocationPolicy::default());
        trust.add_authority(self.read("root").der()).unwrap();
        trust
    }
}

#[test]
fn elliptic_curve_chain_is_trusted() {
    let lab = Lab::new();
    let intermediate = lab.issue("intermediate", "root", CA);
    let leaf = lab.issue("leaf", "intermediate", SERVER);
    assert_eq!(leaf.rsa_bits(), None);
    assert_eq!(lab.judge(&leaf, &[intermediate]), TRUSTED);
}

#[test]
fn end_entity_cannot_issue() {
    let lab = Lab::new();
    let server = lab.issue("server", "root", SERVER);
    let leaf = lab.issue("leaf", "server", SERVER);
    assert_eq!(lab.judge(&leaf, &[server]), Verdict::UnknownIssuer);
}

#[test]
fn authority_without_the_key_usage_cannot_issue() {
    let lab = Lab::new();
    let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n";
    let intermediate = lab.issue("intermediate", "root", extensions);
    let leaf = lab.issue("leaf", "intermediate", SERVER);
    assert_eq!(lab.judge(&leaf, &[intermediate]), Verdict::UnknownIssuer);
}

#[test]
fn path_length_is_enforced() {
    let lab = Lab::new();
    let last = CA.replace("CA:TRUE", "CA:TRUE,pathlen:0");
    let first = lab.issue("first", "root", &last);
    let second = lab.issue("second", "first", CA);
    let leaf = lab.issue("leaf", "second", SERVER);
    assert_eq!(lab.judge(&leaf, &[first, second]), Verdict::UnknownIssuer);
}

#[test]
fn authority_limited_to_clients_does_not_vouch_for_servers() {
    let lab = Lab::new();
    let limited = format!("{CA}extendedKeyUsage=clientAuth\n");
    let intermediate = lab.issue("intermediate", "root", &limited);
    let leaf = lab.issue("leaf", "intermediate", SERVER);
    assert_eq!(lab.judge(&leaf, &[intermediate]), Verdict::WrongUse);
}

#[test]
fn client_certificate_is_no_server() {
    let lab = Lab::new();
    let leaf = lab.issue("leaf", "root", CLIENT);
    assert_eq!(lab.judge(&leaf, &[]), Verdict::WrongUse);
}

#[test]
fn unknown_critical_extension_is_refused() {
    let lab = Lab::new();
    let extensions = format!("{SERVER}1.2.3.4=critical,DER:0500\n");
    let leaf = lab.issue("leaf", "root", &extensions);
    assert_eq!(lab.judge(&leaf, &[]), Verdict::Malformed);
}

#[test]
fn sha1_signature_is_obsolete() {
    let lab = Lab::new();
    let leaf = lab.issue_with("leaf", "root", SERVER, "-sha1");
    assert_eq!(lab.judge(&leaf, &[]), Verdict::Obsolete);
}

#[test]
fn test_certificates_are_told_by_category_or_issuer() {
    let lab = Lab::new();
    assert!(!lab.issue("plain", "root", CLIENT).is_test());
    let category = |code: &str| {
        let extensions = format!("{CLIENT}1.2.250.1.71.1.2.5=DER:0401{code}\n");
        lab.issue("categorised", "root", &extensions).is_test()
    };
    assert_eq!(
        ["00", "03", "80", "83"].map(category),
        [false, false, true, true]
    );
    lab.issue("TEST", "TEST", CA);
    assert!(lab.issue("plain", "TEST", CLIENT).is_test());
}

#[test]
fn list_of_openssl_revokes() {
    let lab = Lab::new();
    let kept = lab.issue("kept", "root", SERVER);
    let revoked = lab.issue("revoked", "root", SERVER);
    let crl = Crl::from_der(&lab.list(&["revoked"], "")).unwrap();
    let root = lab.read("root");
    assert_eq!(crl.verify(&root), Ok(()));
    let mut trust = lab.trust();
    trust.add_crl(crl).unwrap();
    let purpose = Purpose::Server("localhost");
    let now = Timestamp::now();
    let good = Verdict::Trusted {
        revocation: Revocation::Good,
    };
    assert_eq!(trust.check(&kept, purpose, now), good);
    assert_eq!(trust.check(&revoked, purpose, now).as_str(), "revoked");
}

#[test]
fn authority_that_may_not_sign_lists_is_not_heard() {
    let lab = Lab::new();
    let list = Crl::from_der(&lab.list(&[], "")).unwrap();
    assert_eq!(list.verify(&lab.read("root")), Ok(()));
    fs::write(lab.path("root.ext"), CA.replace(",cRLSign", "")).unwrap();
    lab.openssl("x509 -req -in root.csr -key root.key -days 30 -extfile root.ext -out root.pem");
    assert_eq!(list.verify(&lab.read("root")), Err(InvalidCrl::OtherIssuer));
}

#[test]
fn scope_of_a_list_is_read() {
    let lab = Lab::new();
    let silent = lab.issue("silent", "root", SERVER);
    let with_url = |name, url: &str| {
        let extensions = format!("{SERVER}crlDistributionPoints=URI:{url}\n");
        lab.issue(name, "root", &extensions)
    };
    let named = with_url("named", "http://127.0.0.1/a");
    let elsewhere = with_url("elsewhere", "http://127.0.0.1/b");
    let authority = lab.issue("authority", "root", CA);

    let list = lab.list(&[], "issuingDistributionPoint=critical,@point");
    let crl = Crl::from_der(&list).unwrap();
    let covered = [&silent, &named, &elsewhere, &authority].map(|one| crl.covers(one));
    assert_eq!(covered, [true, true, false, false]);

    let list = lab.list(&[], "issuingDistributionPoint=critical,@authorities");
    let crl = Crl::from_der(&list).unwrap();
    assert_eq!(
        [&silent, &authority].map(|one| crl.covers(one)),
        [false, true]
    );
}

#[test]
fn delta_and_indirect_lists_are_refused() {
    let lab = Lab::new();
    let indirect = lab.list(&[], "issuingDistributionPoint=critical,@indirect");
    let refused = Crl::from_der(&indirect);
    assert_eq!(refused, Err(InvalidCrl::Malformed("an indirect list")));
    let delta = lab.list(&[], "2.5.29.27=critical,DER:020101");
    assert_eq!(
        Crl::from_der(&delta),
        Err(InvalidCrl::Malformed("a delta list"))
    );
}

#[test]
fn name_reads_as_openssl_writes_it() {
    let lab = Lab::new();
    let output = Command::new("openssl")
        .args("x509 -in root.pem -noout -subject -nameopt RFC2253".split(' '))
        .current_dir(lab.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let subject = text.trim().strip_prefix("subject=").unwrap();
    assert_eq!(lab.read("root").subject().to_string(), subject);
}
