//! Mail that the company's own server vouches for in Authentication-Results, and mail in which a
//! stranger pretends that it does.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::*;
use crate::harness::dkim::DkimKey;
use crate::harness::opendkim::OpenDkim;

const OUR_SERVER: &str = "mx.acme.example";

/// A company that runs OpenDKIM as its verifier, and takes fields in its own name off all mail
/// that comes in, as conf/recruit-milter.toml says.
struct Company {
    site: Site,
    own: DkimKey,
    evil: DkimKey,
    _opendkim: OpenDkim,
}

impl Company {
    fn start() -> Self {
        let mut site = Site::prepare(Setup {
            config: format!("[internal]\nauthserv_id = \"{OUR_SERVER}\"\n"),
            mx: Some(|mx| {
                let table = mx.config_dir().join("header_checks");
                mx.param("smtpd_milters", "unix:verifier.sock")
                    .param("header_checks", &format!("regexp:{}", table.display()))
                    .file("header_checks", &header_checks())
            }),
            ..Setup::default()
        });
        let [own, evil] =
            ["acme.example", "evil.example"].map(|domain| DkimKey::new(site.scratch(), domain));
        let socket = site.mx.queue_dir().join("verifier.sock");
        let opendkim = OpenDkim::start(site.scratch(), &socket, OUR_SERVER, &[&own, &evil]);
        site.run();
        Self { site, own, evil, _opendkim: opendkim }
    }

    /// Sends a mail from outside, and gives the copy's Authentication-Results on a line each.
    #[track_caller]
    fn send(&self, message: &[u8], about: &[&str], rest: &str) -> Vec<String> {
        outside(&self.site).try_mail(&Mail::new(SABINE, &[JOBS], message)).unwrap().ok();
        let mut copy = only_copy(&self.site);
        let (results, without) = take_results(&copy.bytes);
        copy.bytes = without;
        assert_copy(&copy, SABINE, JOBS, about, rest);
        results
    }
}

/// The table that the sample configuration recommends, for our server.
fn header_checks() -> String {
    let sample = include_str!("../../../conf/recruit-milter.toml");
    let line =
        sample.lines().find_map(|line| line.trim_start_matches(['#', ' ']).strip_prefix("/^Auth"));
    let line = line.expect("the sample shows the table");
    format!("/^Auth{line}\n").replace("mx1\\.acme", "mx\\.acme")
}

/// The fields Authentication-Results of a message, unfolded, and the message without them.
fn take_results(message: &[u8]) -> (Vec<String>, Vec<u8>) {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let (header, body) = text.split_once("\n\n").unwrap();
    let fields = header.replace("\n\t", "\u{1}\t").replace("\n ", "\u{1} ");
    let is_results = |field: &&str| field.to_lowercase().starts_with("authentication-results");
    let (results, others): (Vec<&str>, Vec<&str>) = fields.split('\n').partition(is_results);
    let results = results.iter().map(|field| field.replace('\u{1}', "")).collect();
    (results, format!("{}\n\n{body}", others.join("\n").replace('\u{1}', "\n")).into_bytes())
}

#[test]
fn a_mail_that_our_own_server_found_signed_by_the_company_is_a_colleagues() {
    let company = Company::start();
    let (message, about) = &forwards()[1];
    let signed = company.own.sign(message.as_bytes(), &["relaxed/relaxed"]);
    let results = company.send(&signed, about, std::str::from_utf8(&signed).unwrap());
    let [result] = &results[..] else { panic!("{results:?}") };
    let written =
        "Authentication-Results: mx.acme.example;\tdkim=pass (2048-bit key) header.d=acme.example";
    assert!(result.starts_with(written), "{result}");

    // Signed by somebody else, who also has OpenDKIM write what he wants into that field.
    for identity in [
        "@evil.example",
        "=3B=20dmarc=3Dpass=20header.from=3Dacme.example=3B@evil.example",
        "a=3B=20dmarc=3Dpass=20header.from=3Dacme.example=3B=20dkim=3Dnone=20header.i=3Dx@evil.example",
        "x=20header.d=3Dacme.example=20@evil.example",
        "=28@evil.example",
    ] {
        let signed = company.evil.sign(message.as_bytes(), &["relaxed/relaxed", identity]);
        let results = company.send(&signed, &UNPROVEN, std::str::from_utf8(&signed).unwrap());
        let [result] = &results[..] else { panic!("{results:?}") };
        assert!(result.contains("dkim=pass (2048-bit key) header.d=evil.example"), "{result}");
    }
}

#[test]
fn what_a_stranger_writes_in_the_name_of_our_server_is_taken_off_and_proves_nothing() {
    let company = Company::start();
    let (message, _) = &forwards()[1];
    let broken = "DKIM-Signature: v=1; a=rsa-sha256; d=acme example; broken\r\n";
    for field in [
        "Authentication-Results: mx.acme.example; dkim=pass header.d=acme.example\r\n",
        "Authentication-Results: mx.acme.example; dmarc=pass header.from=acme.example\r\n",
        "Authentication-Results: mx.acme.example; spf=pass smtp.mailfrom=sabine@acme.example\r\n",
        "Authentication-Results: mx.acme.example; auth=pass smtp.auth=sabine\r\n",
        "authentication-RESULTS:MX.ACME.EXAMPLE 1; auth=pass\r\n",
        "Authentication-Results: (x) mx.acme.example; auth=pass\r\n",
        "Authentication-Results:\r\n\tmx.acme.example\r\n\t;\r\n\tauth=pass\r\n",
        "Authentication-Results : mx.acme.example; auth=pass\r\n",
        "Authentication-Results: \u{a0}mx.acme.example; auth=pass\r\n",
        // OpenDKIM leaves these where they are, told to take such fields off or not.
        "Authentication-Results: mx.acme.example; auth=pass; dkim=fail x\r\n",
        "Authentication-Results: mx.acme.example; auth=pass; x=\"\r\n",
    ] {
        for more in ["", broken] {
            let forged = format!("{field}{more}{message}");
            let results = company.send(forged.as_bytes(), &UNPROVEN, &format!("{more}{message}"));
            assert_eq!(results, [""; 0], "{field}{more}");
        }
    }
    // Somebody else's field stays, and counts for nothing.
    let other = "Authentication-Results: mx.evil.example; dkim=pass header.d=acme.example\r\n";
    let forged = format!("{other}{message}");
    let results = company.send(forged.as_bytes(), &UNPROVEN, message);
    assert_eq!(results, [other.trim_end()]);
}
