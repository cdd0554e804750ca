//! How long reading a mail takes, and how that grows with the mail: `cargo bench --bench reading`.
//! A missed aim is said and is no failure.
// SPDX-License-Identifier: GPL-3.0-or-later
#![allow(clippy::unwrap_used, reason = "what cannot be measured ends the bench")]

#[path = "../figures.rs"]
mod figures;
mod shapes;
#[path = "../../demo/table.rs"]
mod table;

use std::hint::black_box;
use std::time::Duration;

use figures::Figures;
use recruit_milter::mail::{Address, Message};
use recruit_milter::policy::applicant::{BodyNeed, Context, Evidence, Verdict, needs_body, read};
use recruit_milter::policy::rules::{AddressRule, Pattern, Rules, System};
use rustix::time::{ClockId, clock_gettime};

/// How many bytes of a body are read: what is configured where nothing is.
const LIMIT: usize = 1 << 20;
/// By how much a mail twice as long may take longer. 2 is linear, 4 quadratic.
const LINEAR: f64 = 2.5;

/// A mail of a length.
type Form = fn(usize) -> String;

fn rules() -> Rules {
    let address = |text: &str| Address::parse(text).unwrap();
    let system = System {
        id: "ats".into(),
        profile: "generic".into(),
        inbound: address("acme@ats.example"),
        next_hop: None,
    };
    let rule = AddressRule::new(Pattern::Exact(address("jobs@acme.example")), 0);
    let rules = Rules {
        systems: vec![system],
        addresses: vec![rule],
        internal_domains: vec!["acme.example".into()],
        delimiters: "+".into(),
        ..Rules::default()
    };
    rules.indexed()
}

fn main() {
    let rules = rules();
    let verdicts = Verdict::usual();
    let context = |login, sender| Context {
        rules: &rules,
        evidence: Evidence { login, internal_client: false },
        sender: Some(sender),
        probe: false,
        verdicts: &verdicts,
        boards: &[],
        limit: LIMIT,
    };
    let inside = context(true, "sabine@acme.example");
    let outside = context(false, "lena@post.example");
    let mut figures = Figures::default();
    // cargo passes --bench; a word of the caller's chooses the parts whose name it begins.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|c| part.starts_with(c));
    eprintln!("Measuring; this takes a minute ...");
    if wanted("headers") {
        headers(&mut figures, &inside, &outside);
    }
    if wanted("forwards") {
        forwards(&mut figures, &inside);
    }
    if wanted("large") {
        large(&mut figures, &inside, &outside);
    }
    let verdict = if wanted("growth") {
        growth(&mut figures, &inside)
    } else {
        "Growth was not measured.".into()
    };
    println!("\n{}\n{verdict}", figures.report());
}

/// What the header alone decides.
fn headers(figures: &mut Figures, inside: &Context<'_>, outside: &Context<'_>) {
    for (name, mail, context) in [
        ("header of an application", shapes::application(1000), outside),
        ("header of a colleague's forward", shapes::inline(1000), inside),
        ("header of the same without a login", shapes::inline(1000), outside),
    ] {
        let header = Message::parse(mail.as_bytes()).header;
        let (median, note) = median(|| _ = black_box(needs_body(&header, context)));
        figures.amount(&format!("{name}: what is needed"), median, "us", &note, Some(50.0));
        let (median, note) = self::median(|| _ = black_box(read(&header, b"", false, context)));
        figures.amount(&format!("{name}: the answer"), median, "us", &note, Some(50.0));
    }
}

/// A forwarded mail of 100 KB.
fn forwards(figures: &mut Figures, inside: &Context<'_>) {
    let forms: [(&str, Form); 4] = [
        ("inline, text", shapes::inline),
        ("inline, HTML", shapes::as_html),
        ("inline, both", shapes::as_both),
        ("attached", shapes::attached),
    ];
    for (name, form) in forms {
        let message = Message::parse(form(100_000).as_bytes());
        let kb = message.body.len() / 1000;
        let reading = read(&message.header, &message.body, false, inside);
        assert!(reading.applicant().is_some(), "{name}: {reading:?}");
        let run = || _ = black_box(read(&message.header, &message.body, false, inside));
        let (median, note) = median(run);
        figures.amount(
            &format!("resolving a forward of {kb} KB, {name}"),
            median,
            "us",
            &note,
            Some(1000.0),
        );
    }
}

/// A mail of 20 MB.
fn large(figures: &mut Figures, inside: &Context<'_>, outside: &Context<'_>) {
    let message = Message::parse(shapes::application(20_000_000).as_bytes());
    let need = match needs_body(&message.header, outside) {
        BodyNeed::Nothing => 0,
        BodyNeed::FirstChunk => 65_535,
        BodyNeed::UpTo(limit) => limit,
    };
    let number = |n: usize| f64::from(u32::try_from(n).unwrap());
    let name = "asked for of an application of 20 MB";
    figures.amount(name, number(need), "bytes", "", Some(65_535.0));
    let message = Message::parse(shapes::inline(20_000_000).as_bytes());
    let need = match needs_body(&message.header, inside) {
        BodyNeed::UpTo(limit) => limit,
        _ => 0,
    };
    figures.amount(
        "asked for of a forward of 20 MB",
        number(need),
        "bytes",
        "",
        Some(number(LIMIT)),
    );
    let first = &message.body[..LIMIT];
    let ratios: Vec<f64> = (0..9)
        .map(|_| {
            let all = time(|| _ = black_box(read(&message.header, &message.body, true, inside)));
            let part = time(|| _ = black_box(read(&message.header, first, true, inside)));
            all.as_secs_f64() / part.as_secs_f64()
        })
        .collect();
    figures.ratio("time for all 20 MB : for the limit alone", &ratios, Some(1.10));
}

/// By how much each doubling of a mail makes reading it longer; returns the verdict.
fn growth(figures: &mut Figures, inside: &Context<'_>) -> String {
    let made: [(&str, Form); 6] = [
        ("ordinary, text", shapes::inline),
        ("ordinary, HTML", shapes::as_html),
        ("ordinary, attached", shapes::attached),
        ("attached messages of many authors", shapes::crowd),
        ("attached in attached, of many authors", shapes::crowd_in_crowd),
        ("an address, then colons, in From", shapes::late_at_sign),
    ];
    let mut worst = Vec::new();
    for (name, form) in made {
        worst.push((name, doubled(figures, inside, name, &form)));
    }
    for nasty in shapes::NASTY {
        let form = |size| nasty.mail(size);
        worst.push((nasty.name, doubled(figures, inside, nasty.name, &form)));
    }
    let (name, ratio) = worst.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    figures.ratio(&format!("twice as long, the worst: {name}"), &[*ratio], Some(LINEAR));
    let faster: Vec<_> = worst.iter().filter(|(_, ratio)| *ratio > LINEAR).collect();
    if faster.is_empty() {
        return format!("Nothing grows faster than its length: {} shapes are linear.", worst.len());
    }
    let names: Vec<_> = faster.iter().map(|(name, _)| *name).collect();
    format!("GROWS FASTER THAN ITS LENGTH: {}.", names.join("; "))
}

/// By how much a mail of one form takes longer when it is twice as long: at the worst, for three
/// doublings in a row.
fn doubled(
    figures: &mut Figures,
    inside: &Context<'_>,
    name: &str,
    form: &dyn Fn(usize) -> String,
) -> f64 {
    let times = [8, 16, 32, 64, 128, 256, 512, 1024].map(|kb| {
        let message = Message::parse(form(kb * 1000).as_bytes());
        let run = || _ = black_box(read(&message.header, &message.body, false, inside));
        (0..7).map(|_| time(run)).min().unwrap().as_secs_f64()
    });
    let ratios: Vec<f64> = times.windows(2).map(|pair| pair[1] / pair[0]).collect();
    let last = times[7] * 1000.0;
    figures.ratio(&format!("twice as long: {name} ({last:.1} ms at 1 MB)"), &ratios, None);
    // In a row, because at a limit there is a step; and what is over in a moment has no shape.
    let steady = |t: &[f64]| t.windows(2).map(|t| t[1] / t[0]).fold(f64::MAX, f64::min);
    times.windows(4).filter(|t| t[3] > 100e-6).map(steady).fold(1.0, f64::max)
}

/// CPU time, so that it does not matter what else the machine does.
fn time(run: impl FnOnce()) -> Duration {
    let start = cpu();
    run();
    cpu().checked_sub(start).unwrap()
}

fn cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// The median in microseconds, and the range without the slowest tenth.
fn median(mut run: impl FnMut()) -> (f64, String) {
    let mut times: Vec<f64> = (0..300).map(|_| time(&mut run).as_secs_f64() * 1e6).collect();
    times.sort_by(f64::total_cmp);
    (times[150], format!("{:.1} to {:.1}", times[0], times[270]))
}
