use std::os::unix::fs::symlink;
use std::time::Duration;

use cps_card::Card;
use cps_emulator::{Holder, Profile, VirtualCard};
use proptest::prelude::*;

use super::*;
use crate::testing::pki;

/// What an identification reads of a card.
fn files(holder: Holder) -> PublicFiles {
    let mut virtual_card = VirtualCard::new(pki(), holder, Profile::Cps3);
    virtual_card.power_on();
    let atr = virtual_card.atr().to_vec();
    let protocol = virtual_card.protocol();
    let mut card = Card::open(&atr, protocol, &mut virtual_card).unwrap();
    card.update_state(&mut virtual_card).unwrap();
    for entry in card.certificates(&mut virtual_card).unwrap() {
        card.read_certificate(&mut virtual_card, &entry).unwrap();
    }
    card.public_files().clone()
}

#[test]
fn what_is_stored_is_loaded_and_private_to_the_user() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a").join("b");
    let cache = Cache::open(&folder).unwrap();
    let files = files(Holder::CpsMedecin);
    assert_eq!(cache.load(files.serial()), None);
    cache.store(&files);
    assert_eq!(cache.load(files.serial()), Some(files.clone()));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let entries: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 1, "no temporary file is left");
    assert_eq!(mode(&entries[0].path()), 0o600);
    cache.remove(files.serial());
    assert_eq!(cache.load(files.serial()), None);
}

#[test]
fn a_folder_that_others_could_write_is_closed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("open");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    Cache::open(&folder).unwrap();
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn files_of_another_card_and_links_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let (mine, other) = (files(Holder::CpsMedecin), files(Holder::CpsInfirmier));
    cache.store(&other);
    fs::rename(cache.path(other.serial()), cache.path(mine.serial())).unwrap();
    assert_eq!(cache.load(mine.serial()), None);

    cache.store(&mine);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(cache.path(mine.serial()), &elsewhere).unwrap();
    symlink(&elsewhere, cache.path(mine.serial())).unwrap();
    assert_eq!(cache.load(mine.serial()), None);
}

#[test]
fn a_file_larger_than_any_card_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let files = files(Holder::CpsMedecin);
    let mut text = serde_json::to_vec(&files).unwrap();
    text.resize(MAX_SIZE as usize + 1, b' ');
    fs::write(cache.path(files.serial()), &text).unwrap();
    assert_eq!(cache.load(files.serial()), None);
    text.truncate(MAX_SIZE as usize);
    fs::write(cache.path(files.serial()), &text).unwrap();
    assert_eq!(cache.load(files.serial()), Some(files));
}

#[test]
fn the_card_not_read_for_longest_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let now = SystemTime::now();
    for number in 0..MAX_CARDS {
        let path = folder.path().join(format!("{number:08}.{EXTENSION}"));
        let age = Duration::from_secs(number as u64 + 60);
        File::create(path).unwrap().set_modified(now - age).unwrap();
    }
    cache.store(&files(Holder::CpsMedecin));
    let mut kept: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept.len(), MAX_CARDS);
    assert!(!kept.contains(&format!("{:08}.{EXTENSION}", MAX_CARDS - 1)));
    assert!(kept.contains(&format!("90000001.{EXTENSION}")));
}

proptest! {
    /// Whatever is in the file, the card is read again.
    #[test]
    fn mutated_content_is_never_trusted_blindly(
        position in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let original = files(Holder::CpsMedecin);
        let mut text = serde_json::to_vec(&original).unwrap();
        let position = position.index(text.len());
        text[position] = byte;
        if byte % 2 == 0 {
            text.truncate(cut.index(text.len()));
        }
        // It is refused, or it still names this card; what it holds is then parsed like an answer.
        if let Ok(files) = parse(&text, original.serial()) {
            prop_assert_eq!(files.serial(), original.serial());
        }
    }
}
