//! Whatever is sent, a card answers and keeps its tries unless a wrong code was presented.

use proptest::prelude::*;

use super::*;

fn any_command() -> impl Strategy<Value = Vec<u8>> {
    let class = prop::sample::select(vec![0x00_u8, 0x01, 0x10, 0x11, 0xA0, 0x80]);
    let instruction = prop::sample::select(vec![
        0xA4_u8, 0xB0, 0xC0, 0x22, 0x2A, 0x88, 0xCB, 0xD6, 0x24, 0x2C, 0xFF,
    ]);
    let tail = prop::collection::vec(any::<u8>(), 0..40);
    let framed = (
        class,
        instruction,
        any::<u8>(),
        any::<u8>(),
        tail,
        any::<bool>(),
    )
        .prop_map(|(class, instruction, p1, p2, tail, honest)| {
            let mut command = vec![class, instruction, p1, p2];
            if honest && !tail.is_empty() {
                command.push(tail.len() as u8);
            }
            command.extend(tail);
            command
        });
    prop_oneof![4 => framed, 1 => prop::collection::vec(any::<u8>(), 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_sequence_of_commands_is_answered(
        profile in prop::sample::select(Profile::ALL.to_vec()),
        commands in prop::collection::vec(any_command(), 1..40),
    ) {
        let mut card = card(Holder::CpsMulti, profile);
        let tries = card.puk_tries();
        for command in commands {
            // VERIFY and CHANGE may honestly cost tries of the PIN, nothing may cost the PUK.
            if command.get(1) == Some(&0x20) {
                continue;
            }
            let Outcome::Answer(answer, _) = card.command(&command) else { panic!("no fault is armed") };
            prop_assert!((2..=258).contains(&answer.len()));
        }
        prop_assert_eq!(card.puk_tries(), tries);
    }

    #[test]
    fn any_text_is_a_layout_or_an_error(text in ".{0,200}") {
        prop_assert!(Layout::from_json(&text).is_err());
    }

    #[test]
    fn any_text_is_a_fault_or_an_error(text in "[a-z=@0-9+]{0,12}") {
        if let Ok(plan) = text.parse::<FaultPlan>() {
            prop_assert_eq!(plan.to_string().parse(), Ok(plan));
        }
    }
}
