//! Keys in real files, by more than one reader and writer.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

fn new(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), person: None, roles: None, expires: None }
}

fn make(keys: &Keys, new: NewKey) -> Secret {
    keys.make(new, &mut |_| Ok(())).expect("a key").1
}

fn refused(keys: &Keys, key: &str) -> String {
    keys.verify(key).expect_err("refused").to_string()
}

#[test]
fn a_key_proves_its_name_person_and_roles() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let roles = Some(vec!["reader".to_owned()]);
    let key =
        make(&keys, NewKey { person: Some("ann".into()), roles: roles.clone(), ..new("laptop") });
    let identity = keys.verify(&format!(" {}\n", key.expose())).expect("it counts");
    assert_eq!((identity.name.as_str(), identity.person.as_deref()), ("key:laptop", Some("ann")));
    assert_eq!((identity.only, identity.proof), (roles, Proof::ApiKey { key: "laptop".into() }));
    assert!(keys.is_valid("laptop").expect("read") && keys.is_valid("key:laptop").expect("read"));
    assert!(!keys.is_valid("phone").expect("read"));
}

#[test]
fn the_files_hold_no_key_and_are_their_owners() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = make(&Keys::new(folder.path()), new("laptop"));
    for name in ["keys.json", "keys.pepper", "keys.lock"] {
        let path = folder.path().join("keys").join(name);
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
        let bytes = std::fs::read(&path).expect("read");
        // Neither whole nor in parts: eight characters are public.
        let secret = &key.expose().as_bytes()[14..30];
        assert!(!bytes.windows(16).any(|window| window == secret), "{name}");
    }
}

#[test]
fn a_key_of_another_folder_is_unknown() {
    let (here, there) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
    let foreign = make(&Keys::new(there.path()), new("laptop"));
    let keys = Keys::new(here.path());
    assert!(refused(&keys, foreign.expose()).contains("unknown"));
    make(&keys, new("laptop"));
    assert!(refused(&keys, foreign.expose()).contains("unknown"));
    // The stolen list alone makes no key: its hashes need the pepper beside it.
    std::fs::copy(there.path().join("keys/keys.json"), here.path().join("keys/keys.json"))
        .expect("copied");
    assert!(refused(&keys, foreign.expose()).contains("unknown"));
}

#[test]
fn a_revoked_key_ends_at_the_next_use_in_another_process_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (server, operator) = (Keys::new(folder.path()), Keys::new(folder.path()));
    let key = make(&operator, new("laptop"));
    server.verify(key.expose()).expect("it counts");
    operator.revoke("key:laptop", Some("lost".into()), &mut |_| Ok(())).expect("revoked");
    assert!(refused(&server, key.expose()).contains("laptop was revoked"));
    assert!(!server.is_valid("laptop").expect("read"));
    let again = operator.revoke("laptop", None, &mut |_| Ok(())).expect_err("once");
    assert!(matches!(again, KeysError::Revoked(_)), "{again}");
}

#[test]
fn an_expired_key_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let past = SystemTime::now() - Duration::from_secs(1);
    let key = make(&keys, NewKey { expires: Some(past), ..new("old") });
    assert!(refused(&keys, key.expose()).contains("old has expired"));
    let future = SystemTime::now() + Duration::from_hours(1);
    let key = make(&keys, NewKey { expires: Some(future), ..new("young") });
    keys.verify(key.expose()).expect("it counts");
    keys.revoke("young", None, &mut |_| Ok(())).expect("revoked");
    assert!(refused(&keys, key.expose()).contains("young was revoked"), "before its time");
}

#[test]
fn a_mangled_key_is_refused_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let key = make(&keys, new("laptop"));
    for wrong in [&key.expose()[..60], "suite_", "", "suite_\u{0}"] {
        assert!(refused(&keys, wrong).contains("mangled"), "{wrong}");
    }
}

#[test]
fn no_record_no_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let full = |_: &Key| Err("the disk is full".into());
    let error = keys.make(new("laptop"), &mut full.clone()).expect_err("not recorded");
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert_eq!(keys.list().expect("read"), []);
    let key = make(&keys, new("laptop"));
    keys.revoke("laptop", None, &mut full.clone()).expect_err("not recorded");
    keys.verify(key.expose()).expect("it still counts");
}

#[test]
fn a_name_is_used_once_and_is_plain() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    make(&keys, new("laptop"));
    keys.revoke("laptop", None, &mut |_| Ok(())).expect("revoked");
    let error = keys.make(new("laptop"), &mut |_| Ok(())).expect_err("taken");
    assert!(error.to_string().contains("laptop-2"), "{error}");
    for wrong in ["", "Laptop", "a b", "-a", "a/b", "a\n", &"a".repeat(65)] {
        let error = keys.make(new(wrong), &mut |_| Ok(())).expect_err("no name");
        assert!(matches!(error, KeysError::Name(_)), "{wrong}: {error}");
    }
    let error = keys.revoke("labtop", None, &mut |_| Ok(())).expect_err("unknown");
    assert!(error.to_string().contains("did you mean `laptop`"), "{error}");
}

#[test]
fn two_at_once_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    std::thread::scope(|scope| {
        for number in 0..16 {
            let folder = folder.path();
            scope.spawn(move || make(&Keys::new(folder), new(&format!("key-{number}"))));
        }
    });
    assert_eq!(Keys::new(folder.path()).list().expect("read").len(), 16);
}

#[test]
fn keys_that_others_can_read_or_nobody_can_do_not_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let key = make(&keys, new("laptop"));
    let path = folder.path().join("keys/keys.json");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("changed");
    assert!(matches!(keys.verify(key.expose()), Err(Refusal::Unavailable(_))));
    let error = keys.list().expect_err("exposed").to_string();
    assert!(error.contains("chmod 600"), "{error}");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("changed");
    keys.verify(key.expose()).expect("it counts");
    std::fs::write(&path, "{").expect("damaged");
    assert!(matches!(keys.verify(key.expose()), Err(Refusal::Unavailable(_))));
    std::fs::remove_file(&path).expect("removed");
    assert!(refused(&keys, key.expose()).contains("unknown"));
}

#[test]
fn a_lost_pepper_is_not_replaced_while_there_are_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Keys::new(folder.path());
    let key = make(&keys, new("laptop"));
    let pepper = folder.path().join("keys/keys.pepper");
    let kept = std::fs::read(&pepper).expect("read");
    std::fs::remove_file(&pepper).expect("lost");
    let error = keys.make(new("phone"), &mut |_| Ok(())).expect_err("refused").to_string();
    assert!(error.contains("keys.pepper") && error.contains("restore it"), "{error}");
    assert!(!pepper.exists() && keys.list().expect("read").len() == 1);
    // Restored, everything is as it was.
    std::fs::write(&pepper, kept).expect("restored");
    std::fs::set_permissions(&pepper, std::fs::Permissions::from_mode(0o600)).expect("set");
    keys.verify(key.expose()).expect("it counts");
}
