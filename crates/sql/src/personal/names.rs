//! What a column's name or comment says about the people behind its values, in several languages.

use super::Kind;

/// Words that say it alone, in lower case and without accents.
const WORDS: [(Kind, &[&str]); 13] = [
    (
        Kind::Email,
        &["email", "emailaddress", "mailaddress", "courriel", "correo", "mejladress", "epost"],
    ),
    (
        Kind::Phone,
        &[
            "phone",
            "phonenumber",
            "telephone",
            "telefon",
            "telefonnummer",
            "telefono",
            "telefone",
            "telefoon",
            "mobilnummer",
            "handynummer",
            "handy",
            "cellphone",
            "msisdn",
            "movil",
            "cellulare",
            "celular",
            "fax",
            "faxnummer",
        ],
    ),
    (
        Kind::Name,
        &[
            "firstname",
            "lastname",
            "surname",
            "forename",
            "fullname",
            "givenname",
            "familyname",
            "maidenname",
            "middlename",
            "vorname",
            "nachname",
            "familienname",
            "geburtsname",
            "prenom",
            "patronyme",
            "apellido",
            "apellidos",
            "cognome",
            "sobrenome",
            "voornaam",
            "achternaam",
            "fornamn",
            "efternamn",
            "imie",
            "nazwisko",
        ],
    ),
    (
        Kind::Address,
        &[
            "street",
            "streetaddress",
            "strasse",
            "hausnummer",
            "anschrift",
            "wohnort",
            "adresse",
            "direccion",
            "domicilio",
            "indirizzo",
            "endereco",
            "adres",
            "straat",
            "postcode",
            "zipcode",
            "postalcode",
            "postleitzahl",
            "plz",
            "codepostal",
            "huisnummer",
            "homeaddress",
        ],
    ),
    (
        Kind::Birth,
        &[
            "birthdate",
            "birthday",
            "dob",
            "dateofbirth",
            "birthplace",
            "geburtsdatum",
            "geburtstag",
            "geburtsort",
            "naissance",
            "nacimiento",
            "nascita",
            "nascimento",
            "geboortedatum",
            "fodelsedatum",
        ],
    ),
    (
        Kind::NationalId,
        &[
            "ssn",
            "nino",
            "nationalid",
            "personnummer",
            "steuerid",
            "steuernummer",
            "sozialversicherungsnummer",
            "personalausweis",
            "ausweisnummer",
            "passport",
            "passportnumber",
            "passnummer",
            "reisepass",
            "bsn",
            "dni",
            "nie",
            "nif",
            "cpf",
            "codicefiscale",
            "pesel",
            "nir",
            "hetu",
            "socialsecurity",
            "taxid",
            "taxpayerid",
            "driverslicense",
            "fuehrerschein",
        ],
    ),
    (
        Kind::Bank,
        &["iban", "bban", "kontonummer", "bankaccount", "accountnumber", "bankverbindung", "rib"],
    ),
    (
        Kind::Card,
        &["creditcard", "cardnumber", "kreditkarte", "ccnumber", "cvv", "cvc", "cartebancaire"],
    ),
    (
        Kind::Health,
        &[
            "diagnosis",
            "diagnose",
            "diagnoses",
            "disease",
            "krankheit",
            "maladie",
            "enfermedad",
            "allergy",
            "allergies",
            "allergie",
            "bloodtype",
            "bloodgroup",
            "blutgruppe",
            "medication",
            "medikation",
            "prescription",
            "disability",
            "behinderung",
            "handicap",
            "pregnant",
            "sickleave",
            "icd10",
        ],
    ),
    (
        Kind::Belief,
        &[
            "religion",
            "konfession",
            "ethnicity",
            "ethnie",
            "race",
            "sexualorientation",
            "politicalparty",
            "tradeunion",
            "nationality",
            "staatsangehoerigkeit",
            "nationalite",
            "gender",
            "geschlecht",
            "sexe",
            "genero",
            "maritalstatus",
            "familienstand",
        ],
    ),
    (
        Kind::Pay,
        &["salary", "wage", "wages", "gehalt", "lohn", "salaire", "salario", "stipendio", "sueldo"],
    ),
    (
        Kind::Credential,
        &[
            "password",
            "passwd",
            "pwd",
            "passwort",
            "kennwort",
            "motdepasse",
            "contrasena",
            "senha",
            "wachtwoord",
            "passwordhash",
            "pincode",
            "secretkey",
            "apikey",
            "privatekey",
            "accesstoken",
            "refreshtoken",
            "totpsecret",
        ],
    ),
    (Kind::Ip, &["ipaddress", "ipaddr", "clientip", "remoteaddr", "remoteip", "ip"]),
];

/// What the words of a name or comment say; `None` where they say nothing about people.
pub(super) fn of(text: &str) -> Option<Kind> {
    let words = split(text);
    // The longest run of words decides: `ip address` before `address`.
    (1..=3).rev().find_map(|length| {
        words.windows(length).find_map(|run| {
            let joined = run.concat();
            let says = |list: &&[&str]| list.contains(&joined.as_str());
            WORDS.iter().find(|(_, list)| says(list)).map(|(kind, _)| *kind)
        })
    })
}

/// Lower-case words without accents; `firstName` is two.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    let mut was_lower = false;
    for c in text.chars() {
        if !c.is_alphanumeric() {
            is_open = false;
            continue;
        }
        if !is_open || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        is_open = true;
        was_lower = c.is_lowercase();
        if let Some(word) = words.last_mut() {
            c.to_lowercase().for_each(|c| push_plain(word, c));
        }
    }
    words
}

/// Adds a letter without its accent: names of columns are often written without.
fn push_plain(word: &mut String, c: char) {
    match c {
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ą' => word.push('a'),
        'ä' => word.push_str("ae"),
        'ç' | 'ć' => word.push('c'),
        'è' | 'é' | 'ê' | 'ë' | 'ę' => word.push('e'),
        'ì' | 'í' | 'î' | 'ï' => word.push('i'),
        'ł' => word.push('l'),
        'ñ' | 'ń' => word.push('n'),
        'ò' | 'ó' | 'ô' | 'õ' | 'ø' => word.push('o'),
        'ö' => word.push_str("oe"),
        'ù' | 'ú' | 'û' => word.push('u'),
        'ü' => word.push_str("ue"),
        'ß' => word.push_str("ss"),
        c => word.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Kind>) {
        assert_eq!(of(text), expected, "{text}");
    }

    #[test]
    fn names_say_it_in_many_spellings_and_languages() {
        check("email", Some(Kind::Email));
        check("customer_e_mail_address", Some(Kind::Email));
        check("CustomerEmail", Some(Kind::Email));
        check("work_email_address", Some(Kind::Email));
        check("téléphone", Some(Kind::Phone));
        check("first_name", Some(Kind::Name));
        check("firstName", Some(Kind::Name));
        check("Straße", Some(Kind::Address));
        check("código_postal", None);
        check("code postal", Some(Kind::Address));
        check("ip_address", Some(Kind::Ip));
        check("date_of_birth", Some(Kind::Birth));
        check("Geburtsdatum des Kunden", Some(Kind::Birth));
        check("social_security_number", Some(Kind::NationalId));
        check("iban", Some(Kind::Bank));
        check("credit_card_no", Some(Kind::Card));
        check("mot_de_passe", Some(Kind::Credential));
        check("apellido1", None);
        check("salary_eur", Some(Kind::Pay));
        check("contraseña", Some(Kind::Credential));
    }

    #[test]
    fn ordinary_names_say_nothing() {
        for name in [
            "id",
            "name",
            "product_name",
            "amount",
            "created_at",
            "status",
            "shipping_cost",
            "description",
            "tip",
            "zip_file",
            "handle",
            "renew",
            "trace_id",
            "tokens",
            "pan_x",
            "",
        ] {
            check(name, None);
        }
    }

    #[test]
    fn the_list_is_written_as_words_are_compared() {
        for word in WORDS.iter().flat_map(|(_, list)| list.iter()) {
            assert_eq!(split(word), [*word]);
        }
    }
}
