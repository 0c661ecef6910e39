//! The professional data of a card: ID_CARD, NAME, INFO, ACTIVITY, SIT_FACT and EF_ACTUA.
#![no_main]

use cps_card::metier::{Activity, IdCard, Info, Name, SitFact, UpdateDates};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = IdCard::parse(bytes);
    let _ = Name::parse(bytes);
    let _ = Info::parse(bytes);
    let _ = Activity::parse(bytes);
    let _ = SitFact::parse(bytes);
    let _ = UpdateDates::parse(bytes);
});
