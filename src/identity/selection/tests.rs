use cps_emulator::Holder;

use super::*;
use crate::testing::{NOW, PKI, authentication, days, signature};

fn pair(holder: Holder) -> [Certificate; 2] {
    [signature(holder), authentication(holder)]
}

#[test]
fn each_holder_s_pair_is_told_apart_in_any_order() {
    for holder in Holder::ALL {
        let [signature, authentication] = pair(holder);
        let selection = select([&signature, &authentication], NOW);
        let expected = |authentication, signature| Selection {
            authentication: Some(authentication),
            signature: Some(signature),
        };
        assert_eq!(selection, expected(1, 0), "{holder}");
        let selection = select([&authentication, &signature], NOW);
        assert_eq!(selection, expected(0, 1), "{holder}");
    }
}

#[test]
fn authorities_and_servers_are_never_chosen() {
    let others = [
        PKI.anchors_der().remove(0),
        PKI.server(&["localhost"]).chain_der.remove(0),
    ];
    let others = others.map(|der| Certificate::from_der(&der).unwrap());
    assert_eq!(select(&others, NOW), Selection::default());
}

#[test]
fn technical_certificate_is_never_chosen() {
    let technical = Certificate::from_der(&PKI.technical_der(Holder::CpsMedecin)).unwrap();
    let labelled = Candidate {
        certificate: &technical,
        technical: true,
    };
    assert_eq!(select([labelled], NOW), Selection::default());
    let like_authentication = authentication(Holder::CpsMedecin);
    let labelled = Candidate {
        certificate: &like_authentication,
        technical: true,
    };
    assert_eq!(select([labelled], NOW), Selection::default());
}

#[test]
fn signature_certificate_of_someone_else_is_not_paired() {
    let selection = select(
        [
            &authentication(Holder::CpsMedecin),
            &signature(Holder::CpsMulti),
        ],
        NOW,
    );
    assert_eq!(selection.authentication, Some(0));
    assert_eq!(selection.signature, None);
}

#[test]
fn signature_certificate_alone_is_kept() {
    let selection = select([&signature(Holder::CpsMedecin)], NOW);
    assert_eq!(
        (selection.authentication, selection.signature),
        (None, Some(0))
    );
}

/// The expired fixture has the same subject as the current one: a renewed card.
#[test]
fn renewed_card_uses_the_certificate_valid_now() {
    let [old_signature, old] = pair(Holder::CpsExpired);
    let [new_signature, new] = pair(Holder::CpsMedecin);
    let all = [&old, &new, &old_signature, &new_signature];
    let selection = select(all, NOW);
    assert_eq!(
        (selection.authentication, selection.signature),
        (Some(1), Some(3))
    );
    // Before the new one began, the old one was right.
    let then = new.not_before() - days(1);
    let then = then.min(old.not_after());
    let selection = select(all, then);
    assert_eq!(
        (selection.authentication, selection.signature),
        (Some(0), Some(2))
    );
}

#[test]
fn expired_card_can_still_be_shown() {
    let selection = select(&pair(Holder::CpsExpired), NOW);
    assert_eq!(
        (selection.authentication, selection.signature),
        (Some(1), Some(0))
    );
}
