//! Each fault at each command of each operation: an error or a success, the next operation works,
//! and no PIN try is lost.

use cps_card::{Card, Error, KeyUse, PinRole, Scheme};
use cps_emulator::{Fault, FaultPlan, Holder, Layout};

use crate::{Reader, contact_layouts, key};

type Operation = fn(&mut Card, &mut Reader) -> Result<(), Error>;

const OPERATIONS: [(&str, Operation); 8] = [
    ("certificates", |card, reader| {
        let entries = card.certificates(reader)?;
        card.read_certificate(reader, &entries[0]).map(drop)
    }),
    ("keys", |card, reader| card.keys(reader).map(drop)),
    ("tries", |card, reader| {
        card.tries(reader, PinRole::Pin).map(drop)
    }),
    ("login", |card, reader| {
        let pin = reader.pin();
        card.verify(reader, PinRole::Pin, &pin)
    }),
    ("change", |card, reader| {
        let pin = reader.pin();
        card.change_pin(reader, &pin, &pin)
    }),
    ("unblock", |card, reader| {
        let (puk, pin) = (reader.puk(), reader.pin());
        card.unblock_pin(reader, &puk, &pin)
    }),
    ("sign", |card, reader| {
        let pin = reader.pin();
        card.verify(reader, PinRole::Pin, &pin)?;
        for key in card.keys(reader)? {
            card.sign(reader, &key, Scheme::Pkcs1Sha256, &[7; 32])?;
        }
        Ok(())
    }),
    ("data", |card, reader| {
        let pin = reader.pin();
        card.verify(reader, PinRole::Pin, &pin)?;
        for entry in card.data_objects(reader)? {
            match card.read_data(reader, &entry) {
                Ok(_) | Err(Error::NotPresent { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }),
];

const FAULTS: [Fault; 12] = [
    Fault::Garbage,
    Fault::Long,
    Fault::Mute,
    Fault::Remove,
    Fault::Reset,
    Fault::Short,
    Fault::Status(0x6982),
    Fault::Status(0x6985),
    Fault::Status(0x6A82),
    Fault::Status(0x6A86),
    Fault::Status(0x6E00),
    Fault::Status(0x6F00),
];

/// Every fault at every command of every operation on this layout.
fn matrix(layout: &Layout) {
    let mut reader = Reader::new(layout.clone(), Holder::CpsInfirmier);
    for (name, operation) in OPERATIONS {
        reader.insert_again();
        let mut card = reader.open().unwrap();
        let (done, apdus, _) = reader.cost(|reader| operation(&mut card, reader));
        done.unwrap_or_else(|error| panic!("{}, {name} without fault: {error}", layout.name));
        for nth in 1..=apdus {
            for fault in FAULTS {
                let case = format!("{}, {name}, {fault} at command {nth}", layout.name);
                reader.insert_again();
                let tries = (reader.card.pin_tries(), reader.card.puk_tries());
                let mut card = reader.open().unwrap();
                reader.card.arm(FaultPlan::at(nth as u32, fault));
                let (result, spent, _) = reader.cost(|reader| operation(&mut card, reader));
                // Half of an answer may also be read as a refusal that has a way around it.
                let lost = matches!(fault, Fault::Mute | Fault::Remove | Fault::Reset);
                assert!(
                    !lost || result.is_err(),
                    "{case}: a lost answer went unnoticed"
                );
                assert!(
                    spent <= apdus + 16,
                    "{case}: {spent} commands instead of {apdus}"
                );
                assert_eq!(
                    tries,
                    (reader.card.pin_tries(), reader.card.puk_tries()),
                    "{case}"
                );

                // The next operation, on the same card put back.
                reader.insert_again();
                card.forget_position();
                card.forget_files();
                let key = key(&mut card, &mut reader, KeyUse::Authentication);
                let pin = reader.pin();
                card.verify(&mut reader, PinRole::Pin, &pin)
                    .unwrap_or_else(|error| panic!("{case}, then login: {error}"));
                card.sign(&mut reader, &key, Scheme::Pkcs1Sha256, &[7; 32])
                    .unwrap_or_else(|error| panic!("{case}, then sign: {error}"));
            }
        }
    }
}

#[test]
fn faults_on_a_cps3() {
    matrix(&contact_layouts()[0]);
}

#[test]
fn faults_on_another_cps3() {
    matrix(&contact_layouts()[1]);
}

#[test]
fn faults_on_a_cps4() {
    matrix(&contact_layouts()[2]);
}

#[test]
fn faults_on_another_cps4() {
    matrix(&contact_layouts()[3]);
}

#[test]
fn a_lost_answer_to_the_first_question_is_reported() {
    for fault in [Fault::Remove, Fault::Reset, Fault::Mute] {
        let mut reader = Reader::new(Layout::cps3(), Holder::CpsMedecin);
        reader.card.arm(FaultPlan::at(1, fault));
        let result = reader.open().err();
        assert!(
            matches!(result, Some(Error::Transmit { .. })),
            "{fault}: {result:?}"
        );
    }
}
