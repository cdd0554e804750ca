//! Mutations of the corpus: whatever happens to a mail, nobody panics and nobody else is named with
//! confidence.
// SPDX-License-Identifier: GPL-3.0-or-later

use recruit_milter::mail::Message;
use recruit_milter::mail::mailbox::{Mailbox, MailboxList};
use recruit_milter::policy::applicant::Confidence;

use crate::cases::forwarded;
use crate::clients::CLIENTS;
use crate::compose::base64;
use crate::later::LATER;
use crate::score::{Case, Client, Truth, key, read_cut};
use crate::words::WORDS;
use crate::written::folder;

/// How many variants a run tries, and from which number its dice start. More and other ones:
/// `MUTATIONS=200000 MUTATION_SEED=7 cargo test --test reading mutation`.
const VARIANTS: usize = 20_000;
const SEED: u64 = 0x005e_ed0f_7e57;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Everybody in the corpus who is not the applicant of a given mail.
const DECOYS: &[&str] = &[
    "eva@decoy.example",
    "agentur@personal.example",
    "security@filter.example",
    "scan@filter.example",
    "chef@restaurant.example",
    "sabine.krueger@acme-werke.example",
    "jens.vogt@acme-werke.example",
    "tom.becker@acme-werke.example",
    "bewerbung@acme-werke.example",
    "jobs@acme-werke.example",
    "mailgate@filter.example",
    "lena.hofmann@phish.example",
    "alerts@jobboard-x.example",
    "omar@post-west.example",
    "lena@post-nord.example",
    "x@evil.example",
    "boss@acme-werke.example",
];

/// Lines that mean nothing, wherever they stand.
const INSERTS: &[&str] = &[
    "eva@decoy.example",
    "E-Mail: eva@decoy.example",
    "Cc: Eva <eva@decoy.example>",
    "Kopie: Eva <eva@decoy.example>",
    "Datum: 03.03.2025",
    "[EXTERN] Absenderpruefung durch security@filter.example",
    "________________________________",
    "",
    "> eva@decoy.example",
    "【人事】eva@decoy.example",
    "Ｅ－Ｍａｉｌ：eva@decoy.example",
    "Eva Decoy <eva@decoy.example>",
    "Reply-To: Eva <eva@decoy.example>",
    "Antwort an: eva@decoy.example",
    "From: Eva <eva@decoy.example>",
];
/// How many of them do not even claim to name an author.
const HARMLESS: usize = 11;

/// Marks of other scripts, of one to four octets: brackets and letters of East Asia, marks of
/// direction, what is not seen.
const MARKS: &[&str] = &[
    "【",
    "】",
    "【求人】",
    "〔",
    "〕",
    "「",
    "」",
    "［",
    "］",
    "（",
    "）",
    "〈",
    "〉",
    "＜",
    "＞",
    "＠",
    "：",
    "﹕",
    "｜",
    "；",
    "，",
    "．",
    "　",
    "Ａ",
    "Ｒｅ：",
    "件名：",
    "𠮷",
    "😀",
    "İ",
    "ß",
    "\u{200e}",
    "\u{200f}",
    "\u{202a}",
    "\u{202b}",
    "\u{202c}",
    "\u{202d}",
    "\u{202e}",
    "\u{2066}",
    "\u{2067}",
    "\u{2068}",
    "\u{2069}",
    "\u{61c}",
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{2060}",
    "\u{feff}",
    "\u{ad}",
    "\u{a0}",
    "\u{301}",
];

/// A small generator of numbers (xorshift), so that every run is the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

struct Variant {
    case: Case,
    truncated: bool,
    /// Whether letters may have changed, so that an address may be another one.
    damaged: bool,
    /// Whether lines of the header or body were moved or removed.
    moved: bool,
    inserted: bool,
    log: Vec<String>,
}

impl Variant {
    fn split(&self) -> (Vec<u8>, Vec<u8>) {
        let mail = &self.case.mail;
        let at = mail.windows(2).position(|w| w == b"\n\n").map_or(mail.len(), |at| at + 2);
        (mail[..at].to_vec(), mail[at..].to_vec())
    }

    fn body_lines(&mut self, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let (mut head, body) = self.split();
        let mut lines: Vec<Vec<u8>> = body.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        change(&mut lines);
        head.extend(lines.join(&b'\n'));
        self.case.mail = head;
    }

    fn mutate(&mut self, dice: &mut Dice) {
        let kind = dice.roll(14);
        // In an encoded body a line more or less changes letters.
        let encoded = ["quoted-printable", "base64"]
            .iter()
            .any(|e| self.case.mail.windows(e.len()).any(|w| w == e.as_bytes()));
        let base64 = self.case.mail.windows(6).any(|w| w == b"base64");
        self.damaged |= encoded && (2..=5).contains(&kind);
        match kind {
            0 if !self.inserted => {
                let (head, body) = self.split();
                let at = head.len() + dice.roll(body.len() + 1);
                self.case.mail.truncate(at);
                self.truncated = true;
            }
            1 if !self.moved && !self.inserted => {
                self.moved = true;
                self.damaged = true;
                self.body_lines(|lines| {
                    let at = dice.roll(lines.len());
                    lines.remove(at);
                });
            }
            2 if !self.inserted => self.body_lines(|lines| {
                let at = dice.roll(lines.len());
                lines.insert(at, lines[at].clone());
            }),
            3 if !self.moved && !self.inserted && !base64 => {
                self.moved = true;
                self.body_lines(|lines| {
                    let at = dice.roll(lines.len());
                    let next = (at + 1).min(lines.len() - 1);
                    lines.swap(at, next);
                });
            }
            4 | 5 if !self.moved => {
                self.inserted = true;
                // Where nobody is named or the rest is missing, an author line is one.
                let forging = self.truncated || self.case.truth == Truth::Nobody;
                let choice = if forging { HARMLESS } else { INSERTS.len() };
                let insert = INSERTS[dice.roll(choice)].as_bytes().to_vec();
                self.body_lines(|lines| {
                    let at = dice.roll(lines.len() + 1);
                    // Between two lines, not inside one that was broken for its encoding.
                    if at == 0 || !lines[at - 1].ends_with(b"=") {
                        lines.insert(at, insert);
                    }
                });
            }
            6 => {
                self.damaged = true;
                let (head, _) = self.split();
                for _ in 0..=dice.roll(4) {
                    let length = self.case.mail.len() - head.len();
                    if length > 0 {
                        let at = head.len() + dice.roll(length);
                        self.case.mail[at] = u8::try_from(dice.roll(256)).unwrap();
                    }
                }
            }
            7 => self.case.from = Client::Outside,
            8 => {
                let mail = String::from_utf8_lossy(&self.case.mail)
                    .replace("\r\n", "\n")
                    .replace('\n', "\r\n");
                self.case.mail = mail.into_bytes();
            }
            9 => self.swap_languages(dice),
            10 if !self.truncated => self.nest(),
            12 if !self.moved => self.mark(dice, |_, _| true),
            // Where a reader looks for brackets, tags and labels: at the beginning of a value.
            13 if !self.moved => self.mark(dice, |mail, at| mail[..at].ends_with(b": ")),
            0..=5 | 10 | 12 | 13 => (),
            _ => self.encode(),
        }
        self.log.push(kind.to_string());
    }

    /// Marks of other scripts get in between two characters, at places of which something holds.
    fn mark(&mut self, dice: &mut Dice, fits: impl Fn(&[u8], usize) -> bool) {
        // A mark in a label takes its line away, as far as a reader is concerned.
        (self.damaged, self.moved) = (true, true);
        for _ in 0..=dice.roll(3) {
            let mail = &mut self.case.mail;
            let boundary = |at: &usize| mail.get(*at).is_none_or(|b| !(0x80..0xc0).contains(b));
            let places: Vec<usize> =
                (0..=mail.len()).filter(boundary).filter(|at| fits(mail, *at)).collect();
            if !places.is_empty() {
                let at = places[dice.roll(places.len())];
                let mark = MARKS[dice.roll(MARKS.len())];
                mail.splice(at..at, mark.bytes());
            }
        }
    }

    /// The labels of one language become those of another.
    fn swap_languages(&mut self, dice: &mut Dice) {
        let Some(from) = WORDS.iter().find(|w| w.code == self.case.language) else {
            return;
        };
        let to = &WORDS[dice.roll(WORDS.len())];
        let mut mail = String::from_utf8_lossy(&self.case.mail).into_owned();
        for (a, b) in from.outlook.iter().zip(&to.outlook) {
            mail = mail.replace(&format!("\n{a}{}:", from.gap), &format!("\n{b}{}:", to.gap));
        }
        self.case.mail = mail.into_bytes();
    }

    /// The mail becomes an attachment of another colleague's.
    fn nest(&mut self) {
        let mail = String::from_utf8_lossy(&self.case.mail).into_owned();
        self.case.mail = format!(
            "From: Tom <tom.becker@acme-werke.example>\nSubject: FW\nContent-Type: multipart/mixed; boundary=nest\n\n--nest\n\nsee below, agentur@personal.example\n--nest\nContent-Type: message/rfc822\n\n{mail}\n--nest--\n"
        )
        .into_bytes();
    }

    /// A single text is encoded anew.
    fn encode(&mut self) {
        let (head, body) = self.split();
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.contains("Content-Type: text/") && head.contains("Content-Transfer-Encoding: 8bit")
        {
            let head = head.replace("Encoding: 8bit", "Encoding: base64");
            self.case.mail = format!("{head}{}\n", base64(&body)).into_bytes();
        }
    }

    /// Who may be named.
    fn allowed(&self) -> Vec<String> {
        let mut allowed = match &self.case.truth {
            Truth::One(one) => vec![key(one)],
            Truth::Several(all) => all.iter().map(|a| key(a)).collect(),
            Truth::Nobody | Truth::None => Vec::new(),
        };
        // Who is named in the author field is the author, whoever he was before.
        let header = Message::parse(&self.case.mail).header;
        let from = header.first("From").map(|f| MailboxList::parse(&f.body).mailboxes);
        let from = from.unwrap_or_default();
        let inside = from.iter().any(|m| m.domain().eq_ignore_ascii_case("acme-werke.example"));
        if !inside {
            allowed.extend(from.iter().map(Mailbox::key));
        } else if self.case.from == Client::Outside {
            allowed.clear();
        }
        allowed
    }
}

/// Forwards as other programs write them, their lines ending as the mutations expect.
fn written() -> Vec<Case> {
    let kinds =
        ["inline", "labels", "webmail page", "program", "html", "charset", "chain", "decoy"];
    let all = ["programs", "rarer", "names"].into_iter().flat_map(folder);
    all.filter(|c| kinds.contains(&&*c.category) && matches!(c.truth, Truth::One(_)))
        .map(|mut c| {
            c.mail.retain(|b| *b != b'\r');
            c
        })
        .collect()
}

#[test]
fn no_mutation_names_somebody_else() {
    let mut corpus = crate::traps::all();
    corpus.extend(crate::outlook::all());
    // Mail whose truth is a list of names in the author field stays as it is.
    corpus.retain(|c| {
        c.category != "header" && c.category != "boards and groups" && c.category != "kind"
    });
    // A reply address beside a group decides, and a half that was cut off cannot contradict.
    let group = ["via Bewerbung", "noreply@", ": Bewerbung <", "disagree"];
    corpus.retain(|c| !group.iter().any(|g| c.id.contains(g)));
    let mut plain: Vec<_> = CLIENTS.iter().chain(LATER).flat_map(forwarded).collect();
    plain.extend(written());
    let mut dice = Dice(setting("MUTATION_SEED").unwrap_or(SEED).max(1));
    let variants = setting("MUTATIONS").map_or(VARIANTS, |n| usize::try_from(n).unwrap());
    let mut failures = Vec::new();
    let mut named = 0;
    for i in 0..variants {
        let case = if i % 3 == 0 {
            &corpus[dice.roll(corpus.len())]
        } else {
            &plain[dice.roll(plain.len())]
        };
        let mut variant = Variant {
            case: case.clone(),
            truncated: false,
            damaged: false,
            moved: false,
            inserted: false,
            log: Vec::new(),
        };
        for _ in 0..=dice.roll(3) {
            variant.mutate(&mut dice);
        }
        let reading = read_cut(&variant.case.mail, variant.case.from, None, variant.truncated);
        let allowed = variant.allowed();
        for applicant in &reading.applicants {
            let named_key = applicant.mailbox.key();
            named += usize::from(allowed.contains(&named_key));
            let harmless = applicant.confidence == Confidence::Review
                || allowed.contains(&named_key)
                || (variant.damaged && variant.log.contains(&"10".to_owned()))
                || (variant.damaged && case.truth == Truth::Nobody)
                || (variant.damaged && !DECOYS.contains(&named_key.as_str()));
            if !harmless {
                failures.push(format!(
                    "{i}: {} {:?} named {named_key} {}, allowed {allowed:?}\n{}\n{}",
                    case.id,
                    variant.log,
                    applicant.confidence.word(),
                    reading.clues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
                    String::from_utf8_lossy(&variant.case.mail),
                ));
            }
        }
    }
    println!("{variants} variants, {named} times the right one was named");
    for failure in failures.iter().take(5) {
        println!("{failure}\n==========");
    }
    assert_eq!(failures.len(), 0);
    assert!(named > variants / 2, "the mutations leave too little to be read");
}
