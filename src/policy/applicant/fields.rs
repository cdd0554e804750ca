//! The text of a web form's mail: labels, and behind each or below it what somebody filled in.
//!
//! The labels are data: a language is some more words here, and a case in the corpus. Must not know
//! who wrote the mail.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::labels::fold;
use super::lines::Lines;
use super::value::addresses;
use crate::mail::mailbox::Mailbox;

/// No longer text is a label or a name.
const MAX_VALUE: usize = 80;

/// What a label asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Address,
    /// The whole name, or the last one where the first is asked for as well.
    Name,
    First,
    Last,
}

/// Labels without accents, in small letters.
const LABELS: &[(Asked, &[&str])] = &[
    (
        Asked::Address,
        &[
            "e-mail",
            "email",
            "e mail",
            "mail",
            "e-mail address",
            "email address",
            "your email",
            "your e-mail",
            "e-mail-adresse",
            "e-mailadresse",
            "emailadresse",
            "e-mail adresse",
            "mailadresse",
            "ihre e-mail",
            "ihre e-mail-adresse",
            "deine e-mail",
            "courriel",
            "adresse e-mail",
            "adresse email",
            "adresse mail",
            "adresse de courriel",
            "correo",
            "correo electronico",
            "endereco de e-mail",
            "endereco de email",
            "posta elettronica",
            "indirizzo e-mail",
            "indirizzo email",
            "e-mailadres",
            "emailadres",
            "adres e-mail",
            "adres email",
            "e-post",
            "epost",
            "e-postadress",
            "e-postadresse",
            "sahkoposti",
            "sahkopostiosoite",
            "e-posta",
            "eposta",
            "e-posta adresi",
            "e-mail cim",
            "email cim",
            "e-mailova adresa",
            "emailova adresa",
            "adresa de e-mail",
            "adresa de email",
            "adresa e-mail",
            "e-mail adresa",
            "elektronska posta",
            "e-posti aadress",
            "meiliaadress",
            "e-pasts",
            "el. pastas",
            "почта",
            "эл. почта",
            "электронная почта",
            "електронна поща",
            "ηλεκτρονικο ταχυδρομειο",
            "メールアドレス",
            "メール",
            "电子邮件",
            "邮箱",
            "電子郵件",
            "이메일",
        ],
    ),
    (
        Asked::Name,
        &[
            "name",
            "full name",
            "your name",
            "ihr name",
            "dein name",
            "vor- und nachname",
            "vorname und nachname",
            "vorname nachname",
            "nom",
            "nom complet",
            "nom et prenom",
            "prenom et nom",
            "nombre completo",
            "nombre y apellidos",
            "nome e cognome",
            "nome completo",
            "naam",
            "volledige naam",
            "imie i nazwisko",
            "namn",
            "navn",
            "nimi",
            "koko nimi",
            "ad soyad",
            "adi soyadi",
            "nev",
            "teljes nev",
            "jmeno a prijmeni",
            "meno a priezvisko",
            "ime i prezime",
            "ime in priimek",
            "nume complet",
            "nume si prenume",
            "фио",
            "ф.и.о.",
            "имя и фамилия",
            "ονοματεπωνυμο",
            "お名前",
            "氏名",
            "名前",
            "姓名",
            "이름",
            "성명",
        ],
    ),
    (
        Asked::First,
        &[
            "first name",
            "given name",
            "vorname",
            "prenom",
            "nombre",
            "nome",
            "voornaam",
            "imie",
            "fornamn",
            "fornavn",
            "etunimi",
            "ad",
            "keresztnev",
            "jmeno",
            "meno",
            "ime",
            "prenume",
            "имя",
        ],
    ),
    (
        Asked::Last,
        &[
            "last name",
            "surname",
            "family name",
            "nachname",
            "familienname",
            "nom de famille",
            "apellidos",
            "apellido",
            "cognome",
            "sobrenome",
            "apelido",
            "achternaam",
            "nazwisko",
            "efternamn",
            "efternavn",
            "etternavn",
            "sukunimi",
            "soyad",
            "vezeteknev",
            "prijmeni",
            "priezvisko",
            "prezime",
            "priimek",
            "nume",
            "фамилия",
        ],
    ),
];

/// Who filled in a form: the one address for which `is_outside` holds behind a label that asks for
/// one, with the name behind another. Nobody where there are two.
pub(super) fn filled_in(
    lines: &Lines<'_>,
    is_outside: impl Fn(&Mailbox) -> bool,
) -> Option<Mailbox> {
    let mut found: Option<Mailbox> = None;
    let mut names: [Option<&str>; 3] = [None; 3];
    let mut rest = lines.list.iter().map(|line| line.text.as_ref());
    while let Some(line) = rest.next() {
        let Some((asked, value)) = labelled(line) else { continue };
        let value = if value.is_empty() { below(rest.clone()) } else { value };
        if asked == Asked::Address {
            for mailbox in addresses(value).filter(&is_outside) {
                if found.as_ref().is_some_and(|known| known.key() != mailbox.key()) {
                    return None;
                }
                found = Some(mailbox);
            }
        } else if is_name(value) {
            names[asked as usize - Asked::Name as usize].get_or_insert(value);
        }
    }
    let name = match names {
        [whole, Some(first), Some(last)] if whole.is_none() => format!("{first} {last}"),
        [Some(whole), Some(first), _] if !whole.contains(first) => format!("{first} {whole}"),
        [whole, first, last] => whole.or(first).or(last).unwrap_or_default().to_owned(),
    };
    found.map(|mailbox| mailbox.named(&name))
}

/// What a line asks for and what is behind its label: `Name: ...`, `--- Name ---`, `Name    ...`.
fn labelled(line: &str) -> Option<(Asked, &str)> {
    let marks = |c: char| c.is_whitespace() || "-*•#=_".contains(c);
    let line = line.trim_matches(marks);
    let parts = [line.split_once([':', '：', '\t']), line.split_once("    ")];
    let parts = parts.into_iter().flatten().chain([(line, "")]);
    let mut known = parts.filter_map(|(label, value)| {
        let label = label.trim_matches(marks);
        let folded = (label.len() <= MAX_VALUE).then(|| fold(label))?;
        let (asked, _) = LABELS.iter().find(|(_, labels)| labels.contains(&folded.as_str()))?;
        Some((*asked, value.trim()))
    });
    known.next()
}

/// The value that stands below a label; none where the next line that says something is a label too.
fn below<'l>(mut lines: impl Iterator<Item = &'l str>) -> &'l str {
    let next = lines.find(|line| !line.is_empty()).unwrap_or_default();
    if labelled(next).is_some() { "" } else { next }
}

fn is_name(value: &str) -> bool {
    (1..=MAX_VALUE).contains(&value.len()) && !value.contains(['@', '<', '>', ':'])
}

#[cfg(test)]
mod tests {
    use super::super::lines::of_text;
    use super::*;

    fn read(text: &str) -> String {
        let outside = |m: &Mailbox| m.domain() != "acme.example";
        filled_in(&of_text(text), outside).map(|m| m.to_string()).unwrap_or_default()
    }

    #[test]
    fn labels_and_values_are_read_in_the_shapes_that_forms_have() {
        for (text, expected) in [
            ("Name: Erika Muster\nE-Mail: erika@x.example", "Erika Muster <erika@x.example>"),
            ("Vorname: Erika\nName: Muster\nEmail: e@x.example", "Erika Muster <e@x.example>"),
            ("Nome: Gino\nCognome: Marchetti\nEmail: g@x.example", "Gino Marchetti <g@x.example>"),
            ("--- Namn ---\n\nLotta E\n\n--- E-post ---\n\nl@x.example", "Lotta E <l@x.example>"),
            ("Ad Soyad    Hatice D\nE-posta    h@x.example", "Hatice D <h@x.example>"),
            ("* **Courriel** : a@x.example", "a@x.example"),
            ("お名前：平井 真\nメールアドレス：m@x.example", "平井 真 <m@x.example>"),
            ("name:\nemail:\nross@x.example", "ross@x.example"),
            ("E-Mail: info@acme.example\nE-Mail: a@x.example", "a@x.example"),
            // Two of them, or none.
            ("E-Mail: a@x.example\nE-Mail: b@x.example", ""),
            ("Name: a@x.example", ""),
            ("Schreiben Sie an a@x.example", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
