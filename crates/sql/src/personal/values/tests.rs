//! Values that are of people, and values that only look so.

use super::*;

fn check(right: &[&str], wrong: &[&str], is: fn(&str) -> bool) {
    for text in right {
        assert!(is(text), "{text}");
    }
    for text in wrong {
        assert!(!is(text), "{text}");
    }
}

#[test]
fn addresses_of_mail_and_machines() {
    check(
        &["ann@example.org", "o'neil+x@mail.example.co.uk", "müller@größe.de"],
        &["ann", "ann@", "@example.org", "ann@example", "a b@example.org", "x@a..b"],
        is_email,
    );
    check(&["192.168.0.1", "::1", "10.0.0.0/8"], &["1.2.3", "1.2.3.256", "17"], is_ip);
}

#[test]
fn numbers_of_accounts_and_cards_need_their_checksum() {
    check(
        &["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "NO9386011117947"],
        &["DE89370400440532013001", "de89370400440532013000", "DE89", "XX", "é"],
        is_iban,
    );
    check(
        &["4111111111111111", "5500 0000 0000 0004", "3400-000000-00009"],
        &["4111111111111112", "1111111111111117", "411111111111", "x"],
        is_card,
    );
}

#[test]
fn numbers_of_persons() {
    check(&["123-45-6789"], &["000-45-6789", "900-45-6789", "123456789", "123-45-678"], is_ssn);
    check(&["86095742719", "47 036 892 816"], &["86095742718", "06095742719"], is_tax_id);
    check(&["2 55 08 14 168 025 38"], &["255081416802539", "355081416802538"], is_nir);
    check(&["12345678Z", "X1234567L"], &["12345678A", "1234567Z", "é2345678"], is_dni);
    check(&["RSSMRA85T10A562S"], &["RSSMRA85T10A562T", "RSSMRA85T10A562"], is_codice_fiscale);
    check(&["AB123456C", "AB 12 34 56 C"], &["AB123456E", "QQ123456C"], is_nino);
    check(&["111222333", "123456782"], &["123456789", "000000000"], is_bsn);
    check(&["44051401359"], &["44051401358", "44991401359"], is_pesel);
    check(&["529.982.247-25", "52998224725"], &["52998224724", "11111111111"], is_cpf);
}

#[test]
fn numbers_to_be_dialled_are_no_dates_and_no_amounts() {
    check(
        &["+49 30 901820", "(030) 901820", "030 901820", "555-123-4567", "+14155550100"],
        &["2026-11-22", "12345678", "0.12345678", "1,234,567", "030 12", "17.5", ""],
        is_phone,
    );
}

fn check_values(values: &[&str], expected: Option<(Kind, usize)>) {
    assert_eq!(of(values), expected, "{values:?}");
}

#[test]
fn most_of_the_values_decide() {
    let mails = ["a@x.org", "b@x.org", "c@x.org", "none", "d@x.org"];
    check_values(&mails, Some((Kind::Email, 4)));
    check_values(&mails[..4], None);
    check_values(&["a@x.org", "1", "2", "3", "4"], None);
    check_values(&["4111111111111111"; 5], Some((Kind::Card, 5)));
    let orders = ["10001", "10002", "10003", "10004", "10005"];
    check_values(&orders, None);
}

#[test]
fn dates_of_a_lifetime_are_of_birth_and_dates_of_a_year_are_not() {
    let births = [
        "1961-02-03",
        "1970-12-31",
        "1955-01-01",
        "1988-07-07",
        "1999-09-09",
        "1964-04-04",
        "1972-08-01",
        "1981-10-10",
        "1990-11-11",
        "1978-03-03",
    ];
    check_values(&births, Some((Kind::Birth, 10)));
    let orders: Vec<String> = (10..22).map(|day| format!("2026-01-{day}")).collect();
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    check_values(&orders, None);
    check_values(&births[..9], None);
}
