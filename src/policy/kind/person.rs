//! What shows that a person wrote a message, or a service for one: documents, words of applications,
//! threads, and addresses that are a role's or a service's.
//!
//! A new word or type of document is an entry here and a case in the corpus. Must not know how signs
//! are weighed.
// SPDX-License-Identifier: GPL-3.0-or-later

use crate::mail::header::{Header, relaxed};
use crate::mail::mailbox::Mailbox;
use crate::mail::mime::Part;
use crate::policy::applicant::fold;

/// What subjects of applications, and of notices of them, hold; lower case, without accents.
const APPLICATION: &[&str] = &[
    "bewerb",
    "beworben",
    "lebenslauf",
    "unterlagen",
    "anschreiben",
    "initiativ",
    "sucht neue",
    "suche neue",
    "suche arbeit",
    "suche stelle",
    "suche job",
    "ausbildungsplatz",
    "praktikum",
    "application",
    "applied",
    "applying",
    "applicant",
    "curriculum",
    "resume for",
    "my cv",
    "new candidate",
    "job interest",
    "submitted the form",
    "new submission",
    "form submission",
    "candidatur",
    "a postule",
    "postule a",
    "candidacy",
    "solicitud",
    "inscrito en",
    "inscripcion",
    "postulacion",
    "sollicit",
    "gesolliciteerd",
    "aplikacj",
    "aplikuje",
    "podanie",
    "podani ",
    "zyciorys",
    "ansok",
    "ansog",
    "soknad",
    "hakemus",
    "hakemuks",
    "tyohakem",
    "jelentkez",
    "oneletrajz",
    "zivotopis",
    "uchadzac",
    "zadost",
    "ziadost",
    "prijava na",
    "zamolba",
    "molba za",
    "cerere de angajare",
    "aplicare",
    "basvuru",
    "ozgecmis",
    "αιτηση",
    "βιογραφικο",
    "кандидат",
    "отклик",
    "резюме",
    "вакансию",
    "вакансії",
    "молба за работа",
    "prasymas",
    "pieteikum",
    "kandideeri",
    "avaldus",
    "応募",
    "履歴書",
    "应聘",
    "應徵",
    "求职",
    "简历",
    "지원서",
    "이력서",
    "입사",
    "ung tuyen",
    "lamaran",
    "מועמדות",
    "קורות חיים",
    "سيرة",
    "طلب توظيف",
    "ist an ihrer stelle interessiert",
    "stelle interessiert",
];

/// How names of files end in which documents are sent.
const ENDINGS: &[&str] = &[
    ".pdf", ".doc", ".docx", ".odt", ".rtf", ".pages", ".jpg", ".jpeg", ".png", ".heic", ".tif",
    ".tiff", ".zip", ".rar", ".7z", ".docm", ".xps", ".p7m",
];

/// Types of documents, by their beginnings.
const DOCUMENTS: &[&str] = &[
    "application/pdf",
    "application/x-pdf",
    "application/msword",
    "application/rtf",
    "text/rtf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.apple.pages",
    "application/x-iwork-pages",
    "application/zip",
    "application/x-zip",
    "application/x-rar",
    "application/vnd.rar",
    "application/x-7z",
    // What is encrypted may hold one.
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
    "application/pgp-encrypted",
];

/// Words of local-parts from which services write, and nobody who has a name.
const SERVICES: &[&str] = &[
    "notification",
    "notifications",
    "notify",
    "notifier",
    "forms",
    "form",
    "formresponses",
    "formmail",
    "wordpress",
    "www",
    "webform",
    "apache",
    "mailer",
    "robot",
    "mailrobot",
    "autobot",
    "automail",
    "system",
    "alert",
    "alerts",
    "mailing",
    "posta-certificata",
    "certificata",
    "powiadomienia",
    "varsel",
    "bildirim",
    "aplikacje",
    "apply",
    "application",
    "applications",
    "submissions",
    "responses",
    "typeform",
    "jotform",
    "nextcloud",
    "typo3",
    "umbraco",
    "chat",
    "bot",
    "relay",
    "jobmailer",
    "bewerbungen",
];

/// Words of local-parts that stand for a role.
const ROLES: &[&str] = &[
    "info",
    "office",
    "kontakt",
    "contact",
    "service",
    "support",
    "team",
    "hello",
    "hallo",
    "post",
    "mail",
    "admin",
    "webmaster",
    "web",
    "website",
    "hr",
    "personal",
    "verwaltung",
    "sekretariat",
    "buero",
    "jobs",
    "job",
    "career",
    "careers",
    "karriere",
    "bewerbung",
    "recruiting",
    "anzeigen",
    "portal",
    "help",
    "helpdesk",
    "desk",
    "kundendienst",
    "vertrieb",
    "sales",
    "billing",
];

/// Whether a subject is that of an application, or tells of one.
pub(in crate::policy) fn applies(subject: &str) -> bool {
    let subject = fold(&subject.chars().take(300).collect::<String>());
    APPLICATION.iter().any(|word| subject.contains(word))
}

/// The first part that is, or may hold, a document somebody sent on purpose: no signature, no logo.
pub(in crate::policy) fn document<'p>(parts: &'p [Part<'_>]) -> Option<&'p Part<'p>> {
    parts.iter().find(|part| {
        let typed = DOCUMENTS.iter().any(|t| part.content_type.is_below(t));
        let image = part.content_type.is_below("image/");
        let name = part.file_name().unwrap_or_default().to_lowercase();
        let named = ENDINGS.iter().any(|ending| name.ends_with(ending));
        typed || (named && (!image || part.is_attachment()))
    })
}

/// Whether a message answers one of ours: what `ours` says of the domains of the messages that it
/// names.
pub(in crate::policy) fn thread(header: &Header, ours: impl Fn(&str) -> bool) -> bool {
    header.all("In-Reply-To").chain(header.all("References")).take(10).any(|field| {
        let body = relaxed(&field.body[..field.body.len().min(4096)]);
        let body = String::from_utf8_lossy(&body).to_lowercase();
        body.split(['<', '>', ' ', '\t'])
            .filter_map(|id| id.rsplit_once('@'))
            .take(40)
            .any(|(_, domain)| ours(domain))
    })
}

/// Whether a local-part is made of words, of which one is among these. A part with digits in it is a
/// token: such an address stands for somebody.
fn has_word(mailbox: &Mailbox, words: &[&str]) -> bool {
    let local = mailbox.local_part().to_lowercase();
    let mut parts = local.split(['.', '-', '_', '+']);
    words.contains(&local.as_str())
        || (!local.contains(|c: char| c.is_ascii_digit()) && parts.any(|w| words.contains(&w)))
}

/// Whether a service writes from an address.
pub(in crate::policy) fn is_service(mailbox: &Mailbox) -> bool {
    has_word(mailbox, SERVICES)
}

/// Whether an address is that of a role.
pub(in crate::policy) fn is_role(mailbox: &Mailbox) -> bool {
    has_word(mailbox, ROLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_of_applications_are_known_in_many_languages() {
        for subject in [
            "Bewerbung als Koch",
            "Lena Hoffmann hat sich auf Ihre Stelle beworben",
            "Nouvelle candidature : soudeur",
            "Na urlopie wychowawczym - podanie o prace",
            "Żywiołowa aplikacja",
            "Yeni başvuru",
            "応募がありました",
        ] {
            assert!(applies(subject), "{subject}");
        }
        for subject in
            ["Your June digest", "12 neue Stellen in Ihrer Nähe", "Interview", "Ihr Ticket"]
        {
            assert!(!applies(subject), "{subject}");
        }
    }
}
