//! Buffers, handles and arguments.

use std::ptr;

use cps_api::types::{ModuleLogin, ProgramPin};
use cryptoki_sys::*;

use crate::fake::{Answer, Fake, token};
use crate::host::{Host, call, plain, text};

#[test]
fn both_function_lists_are_given_whole() {
    let host = Host::load();
    let mut count = 0;
    assert_eq!(
        call!(host, C_GetInterfaceList, ptr::null_mut(), &raw mut count),
        CKR_OK
    );
    assert_eq!(count, 2);
    count = 1;
    let mut interfaces = [CK_INTERFACE::default(); 2];
    let list = interfaces.as_mut_ptr();
    assert_eq!(
        call!(host, C_GetInterfaceList, list, &raw mut count),
        CKR_BUFFER_TOO_SMALL
    );
    assert_eq!(count, 2);
    assert_eq!(
        call!(host, C_GetInterfaceList, list, &raw mut count),
        CKR_OK
    );
    for (interface, (major, minor, functions)) in interfaces.iter().zip([(3, 0, 92), (2, 40, 68)]) {
        // SAFETY: a list begins with its version; the functions follow.
        let (version, functions) = unsafe {
            let list = interface.pFunctionList.cast::<CK_FUNCTION_LIST>();
            let first = (&raw const (*list).C_Initialize).cast::<usize>();
            (
                (*list).version,
                std::slice::from_raw_parts(first, functions),
            )
        };
        assert_eq!((version.major, version.minor), (major, minor));
        assert!(!functions.contains(&0));
        let mut version = version;
        let mut found = ptr::null_mut();
        let name = c"PKCS 11".as_ptr().cast_mut().cast();
        let got = call!(
            host,
            C_GetInterface,
            name,
            &raw mut version,
            &raw mut found,
            0
        );
        assert_eq!(got, CKR_OK);
        // SAFETY: just given.
        assert_eq!(unsafe { (*found).pFunctionList }, interface.pFunctionList);
    }
    for (name, version, flags) in [
        (c"Vendor", CK_VERSION { major: 3, minor: 0 }, 0),
        (c"PKCS 11", CK_VERSION { major: 9, minor: 0 }, 0),
        (
            c"PKCS 11",
            CK_VERSION { major: 3, minor: 0 },
            CKF_INTERFACE_FORK_SAFE,
        ),
    ] {
        let (mut version, mut found) = (version, ptr::null_mut());
        let name = name.as_ptr().cast_mut().cast();
        let got = call!(
            host,
            C_GetInterface,
            name,
            &raw mut version,
            &raw mut found,
            flags
        );
        assert_eq!(got, CKR_FUNCTION_FAILED);
    }
}

#[test]
fn each_list_tells_its_own_version() {
    let host = Host::start();
    let mut info = CK_INFO::default();
    assert_eq!(call!(host, C_GetInfo, &raw mut info), CKR_OK);
    assert_eq!(info.cryptokiVersion.major, 3);
    let mut list = ptr::null_mut();
    assert_eq!(call!(host, C_GetFunctionList, &raw mut list), CKR_OK);
    // SAFETY: just given.
    let get_info = unsafe { (*list).C_GetInfo }.unwrap();
    // SAFETY: as the standard wants it.
    assert_eq!(unsafe { get_info(&raw mut info) }, CKR_OK);
    assert_eq!(info.cryptokiVersion.major, 2);
}

#[test]
fn initialisation_takes_what_hosts_give() {
    unsafe extern "C" fn create(_: CK_VOID_PTR_PTR) -> CK_RV {
        CKR_OK
    }
    unsafe extern "C" fn lock(_: CK_VOID_PTR) -> CK_RV {
        CKR_OK
    }
    let none = CK_C_INITIALIZE_ARGS::default();
    let callbacks = CK_C_INITIALIZE_ARGS {
        CreateMutex: Some(create),
        DestroyMutex: Some(lock),
        LockMutex: Some(lock),
        UnlockMutex: Some(lock),
        ..none
    };
    let host = Host::load();
    let cases = [
        // A program with one thread.
        (none, CKR_OK),
        // Java, OpenSC.
        (
            CK_C_INITIALIZE_ARGS {
                flags: CKF_OS_LOCKING_OK,
                ..none
            },
            CKR_OK,
        ),
        // NSS, p11-kit.
        (
            CK_C_INITIALIZE_ARGS {
                flags: CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS,
                ..callbacks
            },
            CKR_OK,
        ),
        (callbacks, CKR_CANT_LOCK),
        (
            CK_C_INITIALIZE_ARGS {
                LockMutex: None,
                ..callbacks
            },
            CKR_ARGUMENTS_BAD,
        ),
        (
            CK_C_INITIALIZE_ARGS {
                pReserved: ptr::dangling_mut(),
                ..none
            },
            CKR_ARGUMENTS_BAD,
        ),
    ];
    for (index, (mut arguments, expected)) in cases.into_iter().enumerate() {
        let pointer = (&raw mut arguments).cast();
        assert_eq!(call!(host, C_Initialize, pointer), expected, "case {index}");
        if expected == CKR_OK {
            let again = call!(host, C_Initialize, pointer);
            assert_eq!(again, CKR_CRYPTOKI_ALREADY_INITIALIZED);
            assert_eq!(call!(host, C_Finalize, ptr::null_mut()), CKR_OK);
        }
    }
    assert_eq!(
        call!(host, C_Finalize, ptr::null_mut()),
        CKR_CRYPTOKI_NOT_INITIALIZED
    );
}

#[test]
fn a_token_is_described() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    let mut shown = token("12345678", "a", true);
    (shown.pin.count_low, shown.pin.final_try) = (true, true);
    shown.label = "É".repeat(40);
    fake.show(vec![shown]);
    assert_eq!(host.slots(true), [0]);
    assert_eq!(host.slots(false), [0, 1, 2, 3]);
    let info = host.token_info(0).unwrap();
    // 32 bytes of UTF-8, of two bytes each.
    assert_eq!(text(&info.label), "É".repeat(16));
    assert_eq!(text(&info.serialNumber), "12345678");
    let flags = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;
    assert_eq!(
        info.flags & flags,
        CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY
    );
    let face = CKF_LOGIN_REQUIRED | CKF_PROTECTED_AUTHENTICATION_PATH;
    assert_eq!(info.flags & face, 0);
    let mut slot = CK_SLOT_INFO::default();
    assert_eq!(call!(host, C_GetSlotInfo, 0, &raw mut slot), CKR_OK);
    assert_eq!(text(&slot.slotDescription), "Reader");
    assert_eq!(slot.flags & CKF_TOKEN_PRESENT, CKF_TOKEN_PRESENT);

    fake.set(|objects| objects.module.login = ModuleLogin::ProtectedPath);
    assert_eq!(host.token_info(0).unwrap().flags & face, face);
    assert_eq!(host.token_info(1).err(), Some(CKR_TOKEN_NOT_PRESENT));
    assert_eq!(host.token_info(4).err(), Some(CKR_SLOT_ID_INVALID));
    assert_eq!(
        host.token_info(CK_SLOT_ID::MAX).err(),
        Some(CKR_SLOT_ID_INVALID)
    );
}

#[test]
fn wrong_handles_are_told() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let data = &mut [0_u8; 4];
    let (mut count, mut out) = (4, [0_u8; 4]);
    let (data, out) = (data.as_mut_ptr(), out.as_mut_ptr());
    for wrong in [0, session + 1, CK_SESSION_HANDLE::MAX] {
        let answered = [
            call!(host, C_CloseSession, wrong),
            host.session_state(wrong).unwrap_err(),
            call!(host, C_Login, wrong, CKU_USER, ptr::null_mut(), 0),
            call!(host, C_Logout, wrong),
            call!(host, C_FindObjectsInit, wrong, ptr::null_mut(), 0),
            host.sign_init(wrong, CKM_SHA256_RSA_PKCS, 1),
            call!(host, C_Sign, wrong, data, 4, out, &raw mut count),
            call!(host, C_GenerateRandom, wrong, out, 4),
        ];
        assert_eq!(answered, [CKR_SESSION_HANDLE_INVALID; 8]);
    }
    for wrong in [0, 1, CK_OBJECT_HANDLE::MAX] {
        assert_eq!(
            host.sign_init(session, CKM_SHA256_RSA_PKCS, wrong),
            CKR_KEY_HANDLE_INVALID
        );
        let mut attribute = CK_ATTRIBUTE {
            type_: CKA_ID,
            ..Default::default()
        };
        let got = call!(
            host,
            C_GetAttributeValue,
            session,
            wrong,
            &raw mut attribute,
            1
        );
        assert_eq!(got, CKR_OBJECT_HANDLE_INVALID);
    }
    // No operation was begun.
    assert_eq!(
        host.sign(session, &mut [0; 4]),
        Err(CKR_OPERATION_NOT_INITIALIZED)
    );
    assert_eq!(
        call!(host, C_FindObjectsFinal, session),
        CKR_OPERATION_NOT_INITIALIZED
    );
}

#[test]
fn a_signature_waits_for_a_buffer_that_holds_it() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(
        host.sign_init(session, CKM_SHA256_RSA_PKCS, key),
        CKR_OPERATION_ACTIVE
    );
    let (mut length, mut short) = (0, [0_u8; 255]);
    let sign = |out: *mut u8, length: &mut CK_ULONG| {
        call!(
            host,
            C_Sign,
            session,
            c"data".as_ptr().cast_mut().cast(),
            4,
            out,
            length
        )
    };
    assert_eq!(sign(ptr::null_mut(), &mut length), CKR_OK);
    assert_eq!(length, 256);
    length = 255;
    assert_eq!(sign(short.as_mut_ptr(), &mut length), CKR_BUFFER_TOO_SMALL);
    assert_eq!(length, 256);
    // A buffer larger than there is memory: what is said of it is believed, what is written fits.
    let mut enough = [0_u8; 256];
    length = CK_ULONG::MAX;
    assert_eq!(sign(enough.as_mut_ptr(), &mut length), CKR_OK);
    assert_eq!((length, enough), (256, [7; 256]));
    assert_eq!(
        sign(enough.as_mut_ptr(), &mut length),
        CKR_OPERATION_NOT_INITIALIZED
    );
    let signatures = |asked: &String| asked.ends_with("/sign");
    assert_eq!(fake.asked().iter().filter(|it| signatures(it)).count(), 1);
}

#[test]
fn an_operation_in_parts_ends_in_parts() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    let part = c"part".as_ptr().cast_mut().cast();
    assert_eq!(call!(host, C_SignUpdate, session, part, 4), CKR_OK);
    assert_eq!(host.sign(session, &mut [1]), Err(CKR_OPERATION_ACTIVE));
    assert_eq!(
        call!(host, C_SignUpdate, session, ptr::null_mut(), 0),
        CKR_OK
    );
    let (mut signature, mut length) = ([0_u8; 256], 256);
    let out = signature.as_mut_ptr();
    assert_eq!(
        call!(host, C_SignFinal, session, out, &raw mut length),
        CKR_OK
    );
    // A part that is nowhere ends it.
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    assert_eq!(
        call!(host, C_SignUpdate, session, ptr::null_mut(), 4),
        CKR_ARGUMENTS_BAD
    );
    let ended = call!(host, C_SignUpdate, session, part, 4);
    assert_eq!(ended, CKR_OPERATION_NOT_INITIALIZED);
}

#[test]
fn a_message_is_encrypted_here_whole_or_in_parts() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PUBLIC_KEY)[0];
    fake.asked();
    let begin = || {
        let mut mechanism = plain(CKM_RSA_PKCS);
        call!(host, C_EncryptInit, session, &raw mut mechanism, key)
    };
    let mut message = *b"message";
    let message = message.as_mut_ptr();
    let (mut whole, mut parts) = ([0_u8; 256], [0_u8; 256]);
    assert_eq!(begin(), CKR_OK);
    assert_eq!(begin(), CKR_OPERATION_ACTIVE);
    for (room, buffer, expected) in [
        (0, ptr::null_mut(), CKR_OK),
        (255, whole.as_mut_ptr(), CKR_BUFFER_TOO_SMALL),
        (256, whole.as_mut_ptr(), CKR_OK),
        (256, whole.as_mut_ptr(), CKR_OPERATION_NOT_INITIALIZED),
    ] {
        let mut length = room;
        let length = &raw mut length;
        let got = call!(host, C_Encrypt, session, message, 7, buffer, length);
        assert_eq!(got, expected);
        // SAFETY: a variable of this test.
        assert_eq!(unsafe { *length }, 256);
    }
    assert_eq!(begin(), CKR_OK);
    let mut length = 256;
    let mut out = |part: *mut u8, size, length: &mut CK_ULONG| {
        let buffer = parts.as_mut_ptr();
        match part.is_null() {
            true => call!(host, C_EncryptFinal, session, buffer, length),
            false => call!(host, C_EncryptUpdate, session, part, size, buffer, length),
        }
    };
    assert_eq!(out(message, 7, &mut length), CKR_OK);
    assert_eq!(length, 0);
    length = 256;
    assert_eq!(
        call!(
            host,
            C_Encrypt,
            session,
            message,
            7,
            ptr::null_mut(),
            &raw mut length
        ),
        CKR_OPERATION_ACTIVE
    );
    assert_eq!(out(ptr::null_mut(), 0, &mut length), CKR_OK);
    assert_eq!(length, 256);
    // The padding is random.
    assert_ne!(whole, parts);
    assert_eq!(begin(), CKR_OK);
    assert_eq!(
        call!(
            host,
            C_Encrypt,
            session,
            whole.as_mut_ptr(),
            246,
            whole.as_mut_ptr(),
            &raw mut length
        ),
        CKR_DATA_LEN_RANGE
    );
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[test]
fn a_plaintext_that_does_not_fit_is_not_asked_for_twice() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    let mut mechanism = plain(CKM_RSA_PKCS);
    assert_eq!(
        call!(host, C_DecryptInit, session, &raw mut mechanism, key),
        CKR_OK
    );
    let mut block = [9_u8; 256];
    let (mut plaintext, mut length) = ([0_u8; 256], 0);
    let mut decrypt = |out: *mut u8, length: &mut CK_ULONG| {
        call!(
            host,
            C_Decrypt,
            session,
            block.as_mut_ptr(),
            256,
            out,
            length
        )
    };
    assert_eq!(decrypt(ptr::null_mut(), &mut length), CKR_OK);
    assert_eq!(length, 245);
    for (room, expected) in [(4, CKR_BUFFER_TOO_SMALL), (5, CKR_OK)] {
        length = room;
        assert_eq!(decrypt(plaintext.as_mut_ptr(), &mut length), expected);
        assert_eq!(length, 5);
    }
    assert_eq!(&plaintext[..6], b"plain\0");
    let asked = fake.asked();
    assert_eq!(
        asked.iter().filter(|it| it.ends_with("/decrypt")).count(),
        1
    );
}

#[test]
fn attributes_are_given_each_for_itself() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    let mut small = [0_u8; 1];
    let mut id = [0_u8; 20];
    let ask = |type_, value: &mut [u8]| CK_ATTRIBUTE {
        type_,
        pValue: value.as_mut_ptr().cast(),
        ulValueLen: value.len() as CK_ULONG,
    };
    let mut template = [
        ask(CKA_PRIVATE_EXPONENT, &mut []),
        ask(CKA_VALUE_LEN, &mut []),
        ask(CKA_MODULUS, &mut small),
        ask(CKA_ID, &mut id),
        CK_ATTRIBUTE {
            type_: CKA_MODULUS,
            ..Default::default()
        },
    ];
    let list = template.as_mut_ptr();
    let got = call!(host, C_GetAttributeValue, session, key, list, 5);
    assert_eq!(got, CKR_ATTRIBUTE_SENSITIVE);
    let none = CK_UNAVAILABLE_INFORMATION;
    assert_eq!(
        template.map(|it| it.ulValueLen),
        [none, none, none, 20, 256]
    );
    assert_ne!(id, [0; 20]);
}

#[test]
fn the_value_of_a_data_object_is_fetched_once_for_its_length_and_itself() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let data = host.find(session, CKO_DATA)[0];
    let mut value = [0_u8; 5];
    let mut attribute = CK_ATTRIBUTE {
        type_: CKA_VALUE,
        ..Default::default()
    };
    let got = call!(
        host,
        C_GetAttributeValue,
        session,
        data,
        &raw mut attribute,
        1
    );
    assert_eq!((got, attribute.ulValueLen), (CKR_OK, 5));
    attribute.pValue = value.as_mut_ptr().cast();
    let got = call!(
        host,
        C_GetAttributeValue,
        session,
        data,
        &raw mut attribute,
        1
    );
    assert_eq!((got, &value), (CKR_OK, b"value"));
    let asked = fake.asked();
    assert_eq!(asked.iter().filter(|it| it.ends_with("/value")).count(), 1);
    fake.answer("/v1/objects/a-data", Answer::Refuse("grant.denied"));
    let got = call!(
        host,
        C_GetAttributeValue,
        session,
        data,
        &raw mut attribute,
        1
    );
    assert_eq!(got, CKR_FUNCTION_CANCELED);
}

#[test]
fn a_pin_of_the_program_is_refused_or_ignored_and_never_sent() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let pin = c"1234".as_ptr().cast_mut().cast();
    assert_eq!(
        call!(host, C_Login, session, CKU_USER, pin, 4),
        CKR_ARGUMENTS_BAD
    );
    assert!(!fake.asked().iter().any(|asked| asked.contains("login")));
    // So long that reading it would end the process.
    fake.set(|objects| objects.module.program_pin = ProgramPin::Ignore);
    assert_eq!(
        call!(host, C_Login, session, CKU_USER, pin, CK_ULONG::MAX),
        CKR_OK
    );
    assert!(fake.asked().contains(&"POST /v1/login".to_owned()));
    fake.set(|_| ());
    assert_eq!(host.session_state(session), Ok(CKS_RO_USER_FUNCTIONS));
    let again = call!(host, C_Login, session, CKU_USER, ptr::null_mut(), 0);
    assert_eq!(again, CKR_USER_ALREADY_LOGGED_IN);
    assert_eq!(
        call!(host, C_Login, session, CKU_SO, ptr::null_mut(), 0),
        CKR_USER_TYPE_INVALID
    );
    assert_eq!(call!(host, C_Logout, session), CKR_OK);
    assert_eq!(host.session_state(session), Ok(CKS_RO_PUBLIC_SESSION));
    assert_eq!(call!(host, C_Logout, session), CKR_USER_NOT_LOGGED_IN);
}

#[test]
fn refusals_of_the_daemon_have_their_return_values() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    for (code, expected) in [
        ("pin.cancelled", CKR_FUNCTION_CANCELED),
        ("grant.denied", CKR_FUNCTION_CANCELED),
        ("prompt.timeout", CKR_FUNCTION_CANCELED),
        ("pin.blocked", CKR_PIN_LOCKED),
        ("pin.incorrect", CKR_PIN_INCORRECT),
        ("card.removed", CKR_DEVICE_REMOVED),
        ("object.unknown", CKR_DEVICE_REMOVED),
        ("card.refused", CKR_DEVICE_ERROR),
        ("certificate.revoked", CKR_FUNCTION_FAILED),
    ] {
        fake.answer("/v1/login", Answer::Refuse(code));
        let got = call!(host, C_Login, session, CKU_USER, ptr::null_mut(), 0);
        assert_eq!(got, expected, "{code}");
    }
}

#[test]
fn randomness_comes_and_seeds_are_refused() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let mut bytes = [0_u8; 64];
    assert_eq!(
        call!(host, C_GenerateRandom, session, bytes.as_mut_ptr(), 64),
        CKR_OK
    );
    assert_ne!(bytes, [0; 64]);
    assert_eq!(
        call!(host, C_GenerateRandom, session, ptr::null_mut(), 64),
        CKR_ARGUMENTS_BAD
    );
    let seed = call!(host, C_SeedRandom, session, bytes.as_mut_ptr(), 64);
    assert_eq!(seed, CKR_RANDOM_SEED_NOT_SUPPORTED);
}

#[test]
fn a_value_is_kept_for_the_question_that_follows_and_no_longer() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    let mut token = token("1", "a", true);
    token.data[0].private = false;
    let mut other = token.data[0].clone();
    (other.id, other.label) = ("a-other".to_owned(), "Other".to_owned());
    token.data.push(other);
    fake.show(vec![token]);
    let session = host.open(0).unwrap();
    let [one, other] = host.find(session, CKO_DATA)[..] else {
        panic!("two objects");
    };
    let mut value = [0_u8; 5];
    let mut ask = |object, buffer: bool| {
        let place = value.as_mut_ptr().cast();
        let mut attribute = CK_ATTRIBUTE {
            type_: CKA_VALUE,
            pValue: if buffer { place } else { ptr::null_mut() },
            ulValueLen: 5,
        };
        let wanted = &raw mut attribute;
        let got = call!(host, C_GetAttributeValue, session, object, wanted, 1);
        assert_eq!(got, CKR_OK);
        value
    };
    // The length of one does not give its value for another.
    ask(one, false);
    assert_eq!(&ask(other, true), b"other");
    // What was given is not kept.
    fake.asked();
    assert_eq!(&ask(one, true), b"value");
    assert_eq!(&ask(one, true), b"value");
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn a_person_is_waited_for_as_long_as_the_configuration_says() {
    let host = Host::start();
    let fake = Fake::start(&host.socket());
    fake.set(|objects| objects.module.wait_seconds = 1);
    fake.show(vec![token("1", "a", true)]);
    let session = host.open(0).unwrap();
    let key = host.find(session, CKO_PRIVATE_KEY)[0];
    fake.answer("/v1/objects/a-rsa/sign", Answer::Silence);
    assert_eq!(host.sign_init(session, CKM_SHA256_RSA_PKCS, key), CKR_OK);
    let signed = host.sign(session, &mut [1]);
    assert_eq!(signed, Err(CKR_FUNCTION_CANCELED));
}
