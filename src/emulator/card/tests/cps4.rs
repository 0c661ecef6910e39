use super::*;
use crate::rsa::Hash;

const OPEN: &str = "01 A4 04 0C 08 80 25 00 00 01 FF 01 00";
const IN_APPLICATION: &str = "01 A4 08 00 02 00 01 00";

fn cps4() -> VirtualCard {
    let mut card = card(Holder::CpsMedecin, Profile::Cps4);
    assert_eq!(send(&mut card, OPEN), [0x90, 0x00]);
    card
}

fn logged_in() -> VirtualCard {
    let mut card = cps4();
    assert_eq!(send(&mut card, "01 20 00 01 04 31 32 33 34"), [0x90, 0x00]);
    send(&mut card, IN_APPLICATION);
    card
}

#[test]
fn channel_1_opens_by_selecting_the_applet() {
    play(
        &mut card(Holder::CpsMedecin, Profile::Cps4),
        "> 01 A4 08 00 02 D0 03 00
         < 68 81
         > 00 A4 08 00 02 D0 03 00
         < 6E 00
         > 01 A4 04 0C 08 80 25 00 00 01 FF 01 00
         < 90 00
         > 01 A4 08 00 02 D0 03 00
         < 6F 25 80 02 00 0C 82 01 01 83 02 D0 03 88 01 E0 A1 12 8C 07 7B FF FF FF FF FF 00 9C 07 7B FF FF FF FF FF 00 8A 01 05 90 00
         > 01 B0 00 00 0C
         < 5A 0A 80 25 00 00 01 90 00 00 01 6F 90 00
         > 01 B0 00 00 00
         < 5A 0A 80 25 00 00 01 90 00 00 01 6F 90 00
         > 01 A4 08 00 02 00 01
         < 61 25
         > 01 A4 08 00 04 00 01 50 31
         < 61 24",
    );
}

#[test]
fn a_deselected_applet_is_recovered_as_documented() {
    let mut card = logged_in();
    play(
        &mut card,
        "> 01 A4 04 0C 07 A0 00 00 01 51 00 00
         < 90 00
         > 01 B0 00 00 0C
         < 69 85
         > 00 A4 04 0C 08 80 25 00 00 01 FF 00 02
         < 90 00
         > 01 A4 04 0C 08 80 25 00 00 01 FF 01 00
         < 90 00
         > 01 A4 08 0C 02 D0 03
         < 90 00",
    );
}

#[test]
fn codes_are_asked_changed_and_unblocked() {
    play(
        &mut cps4(),
        "> 01 20 00 01
         < 63 C3
         > 01 20 00 02
         < 63 CA
         > 01 24 01 01 04 35 36 37 38
         < 69 82
         > 01 20 00 01 04 31 32 33 34
         < 90 00
         > 01 20 00 01
         < 90 00
         > 01 24 01 01 04 35 36 37 38
         < 90 00
         > 01 20 00 01 04 31 32 33 34
         < 63 C2
         > 01 20 00 01 04 31 32 33 34
         < 63 C1
         > 01 20 00 01 04 31 32 33 34
         < 63 C0
         > 01 20 00 01
         < 69 83
         > 01 2C 03 81
         < 69 82
         > 01 20 00 02 08 31 32 33 34 35 36 37 38
         < 90 00
         > 01 2C 03 81
         < 90 00
         > 01 24 01 01 04 31 32 33 34
         < 90 00
         > 01 20 00 01 04 31 32 33 34
         < 90 00",
    );
}

#[test]
fn signature_key_signs_digests() {
    let mut card = logged_in();
    assert_eq!(send(&mut card, "01 22 81 B6 04 91 02 28 A1"), [0x90, 0x00]);
    let answer = send(&mut card, &format!("01 2A 9E 9A 20 {SHA256_ABC} 00"));
    let digest_info = bytes(&format!(
        "30 31 30 0D 06 09 60 86 48 01 65 03 04 02 01 05 00 04 20 {SHA256_ABC}"
    ));
    assert_eq!(
        opened(&card, KeyUse::Signature, data(&answer)),
        type_1(&digest_info)
    );
}

#[test]
fn openssl_accepts_the_pss_signatures() {
    let mut card = logged_in();
    for (key_use, key, der) in [
        (
            KeyUse::Authentication,
            "A0",
            pki().authentication_der(Holder::CpsMedecin),
        ),
        (
            KeyUse::Signature,
            "A1",
            pki().signature_der(Holder::CpsMedecin),
        ),
    ] {
        // Several, because the masked block begins with either value of its top bit.
        for message in 0..6_u8 {
            let digest = Hash::Sha256.digest(&[message]);
            assert_eq!(
                send(&mut card, &format!("01 22 81 B6 04 91 02 2C {key}")),
                [0x90, 0x00]
            );
            let answer = send(&mut card, &format!("01 2A 9E 9A 20 {} 00", hex(&digest)));
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = |name: &str| folder.path().join(name).display().to_string();
            std::fs::write(path("signature"), data(&answer)).expect("writable");
            std::fs::write(path("digest"), digest).expect("writable");
            std::fs::write(path("certificate"), crate::pki::certificate_pem(&der))
                .expect("writable");
            let output = std::process::Command::new("openssl")
                .args([
                    "pkeyutl",
                    "-verify",
                    "-certin",
                    "-inkey",
                    &path("certificate"),
                ])
                .args(["-sigfile", &path("signature"), "-in", &path("digest")])
                .args([
                    "-pkeyopt",
                    "digest:sha256",
                    "-pkeyopt",
                    "rsa_padding_mode:pss",
                ])
                .args(["-pkeyopt", "rsa_pss_saltlen:32"])
                .output()
                .expect("`openssl` runs (Debian package openssl)");
            assert!(output.status.success(), "{key_use:?}: {output:?}");
        }
    }
}

#[test]
fn authentication_key_does_raw_rsa() {
    let mut card = logged_in();
    let block = type_1(&bytes(SHA256_ABC));
    assert_eq!(send(&mut card, "01 22 41 B8 03 83 01 20"), [0x90, 0x00]);
    assert_eq!(
        send(&mut card, &format!("11 2A 80 86 FF {}", hex(&block[..255]))),
        [0x90, 0x00]
    );
    let answer = send(
        &mut card,
        &format!("01 2A 80 86 01 {} 00", hex(&block[255..])),
    );
    assert_eq!(opened(&card, KeyUse::Authentication, data(&answer)), block);
    // PKCS#1 by the card is for the signature key.
    send(&mut card, "01 22 81 B6 04 91 02 28 A0");
    assert_eq!(
        send(&mut card, &format!("01 2A 9E 9A 20 {SHA256_ABC} 00")),
        [0x69, 0x85]
    );
}

#[test]
fn instructions_of_the_other_applet_are_unknown() {
    play(
        &mut logged_in(),
        "> 01 88 00 00 01 00 00
         < 6D 00
         > 01 CB 3F FF 0A 4D 08 70 06 BF 81 01 02 A0 80 00
         < 6D 00
         > 01 2C 02 01 04 31 32 33 34
         < 6A 86",
    );
}

#[test]
fn older_objects_are_ordinary_files() {
    let mut card = logged_in();
    let listed = card.file(&[0x0001, 0x7005]).expect("the DODF").to_vec();
    let listed = String::from_utf8_lossy(&listed).into_owned();
    for label in ["CPS_SIT_FACT", "CPS2TER_ACTIVITY_01_PS", "CPS2TER_NAME"] {
        assert!(listed.contains(label), "{label}");
    }
    assert!(!listed.contains("ACTIVITY_02"));
    assert_eq!(send(&mut card, "A0 A4 00 00 02 3F 00"), [0x6E, 0x00]);
}
