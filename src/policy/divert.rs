//! Pass 1: the envelope of incoming mail. Each recruiting recipient gets a handoff recipient, and
//! is taken away itself where no local copy is wanted. Nothing else is touched.
//!
//! Must not know the message: only the envelope decides here, and it is all that passes the socket.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::keys::Keys;
use super::probe::Probe;
use super::rules::{AddressRule, Rules};
use super::token::{Flags, Handoff, TokenId, Way};
use crate::mail::domain::same_domain;
use crate::mail::{Address, Notify, Orcpt, RawPath, Recipient};
use crate::plan::{Plan, PlanBuilder};

/// Who brought the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Origin {
    /// The client logged in (SASL).
    pub authenticated: bool,
    /// The client's address is inside the company.
    // Postfix: mail from sendmail(1) comes with 127.0.0.1, so that counts if the admin lists it.
    pub internal: bool,
    /// The client is the login of a recruiting system. What it sends is never forwarded: it would be
    /// a loop.
    pub own_login: bool,
    /// The probe of ours that the envelope sender says it is.
    pub probe: Option<Probe>,
    /// When it comes, in seconds since 1970.
    pub now: u64,
}

impl Origin {
    /// What a token tells of it.
    pub(super) fn flags(self) -> Flags {
        Flags {
            authenticated: self.authenticated,
            internal: self.internal,
            own_login: self.own_login,
            ..Flags::default()
        }
    }
}

/// One recruiting recipient and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diverted {
    /// The address it was sent to.
    pub address: Address,
    /// The system's name.
    pub system: String,
    /// What the token says; none where another recruiting address leads the copy and this one keeps
    /// its own, so that nothing is to be done.
    pub handoff: Option<Handoff>,
    /// The probe that it is.
    pub probe: Option<TokenId>,
}

/// A handoff that an earlier pass 1 has put into the envelope: the message was here before, as behind
/// a content filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The recruiting address that it is for.
    pub address: Address,
    /// What the token says.
    pub handoff: Handoff,
    /// The probe that it is.
    pub probe: Option<TokenId>,
}

/// The outcome of pass 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// What to do.
    pub plan: Plan,
    /// The recruiting recipients, in the order of the envelope; without those that an earlier pass 1
    /// has seen to.
    pub diverted: Vec<Diverted>,
    /// What an earlier pass 1 has done.
    pub standing: Vec<Standing>,
}

/// Whether a recipient, as the MTA resolved it, is a recruiting address.
pub fn is_recruiting(rules: &Rules, resolved: &str) -> bool {
    rules.lookup(resolved).is_some()
}

/// Whether a recipient, as the MTA resolved it, concerns pass 1: a recruiting address, or a handoff
/// of ours that comes by again. Pass 1 keeps only such recipients.
pub fn concerns(rules: &Rules, resolved: &str) -> bool {
    is_handoff(rules, resolved) || is_recruiting(rules, resolved)
}

/// Whether a recipient is in the handoff domain.
pub(super) fn is_handoff(rules: &Rules, resolved: &str) -> bool {
    resolved.rsplit_once('@').is_some_and(|(_, domain)| same_domain(domain, &rules.handoff_domain))
}

/// The genuine handoffs among the recipients. Where a content filter has lost ORCPT, the token tells
/// for which of the recruiting addresses beside it it was made.
pub(super) fn standing(
    rules: &Rules,
    keys: &Keys,
    recipients: &[Recipient],
    origin: Origin,
) -> Vec<Standing> {
    let beside = || {
        let recruiting = recipients.iter().filter(|r| is_recruiting(rules, &r.resolved));
        recruiting.filter_map(recruiting_address)
    };
    let read = |recipient: &Recipient| {
        let (local, _) = recipient.resolved.rsplit_once('@')?;
        let original = recipient.orcpt().map(|orcpt| orcpt.address().clone());
        let (address, handoff) = original.into_iter().chain(beside()).find_map(|address| {
            let handoff = Handoff::parse(Way::Forward, local, keys, &address, origin.now).ok()?;
            Some((address, handoff))
        })?;
        let probe = origin.probe.filter(|probe| probe.is_for(&address)).map(|probe| probe.id);
        Some(Standing { address, handoff, probe })
    };
    recipients.iter().filter(|r| is_handoff(rules, &r.resolved)).filter_map(read).collect()
}

/// Decides on an envelope. `recipients` are those that [`concerns`] tells; `stamp` makes a new token
/// id at each call.
///
/// A recruiting address for which a genuine handoff stands beside it was seen to before: it is left
/// alone.
///
/// For each system there is one copy, led by the first recruiting address of the envelope (one for
/// each group of addresses with the same actions); see [`Flags::companion`] for the others. None is
/// given if there is no key to sign with.
pub fn divert(
    rules: &Rules,
    keys: &Keys,
    recipients: &[Recipient],
    origin: Origin,
    stamp: &mut dyn FnMut() -> TokenId,
) -> Option<Diversion> {
    let mut builder = PlanBuilder::default();
    let standing = standing(rules, keys, recipients, origin);
    let diverted = divert_into(&mut builder, rules, keys, (recipients, &standing), origin, stamp)?;
    Some(Diversion { plan: builder.build(), diverted, standing })
}

/// [`divert`] as a part of a plan that does more.
pub(super) fn divert_into(
    builder: &mut PlanBuilder,
    rules: &Rules,
    keys: &Keys,
    (recipients, standing): (&[Recipient], &[Standing]),
    origin: Origin,
    stamp: &mut dyn FnMut() -> TokenId,
) -> Option<Vec<Diverted>> {
    let mut diverted: Vec<Diverted> = Vec::new();
    let leads = |s: &&Standing| !s.handoff.flags.companion && !s.handoff.flags.own_login;
    let rule_of = |s: &Standing| rules.lookup(s.address.as_str()).map(|(_, rule)| rule);
    let led_before: Vec<&AddressRule> = standing.iter().filter(leads).filter_map(rule_of).collect();
    let mut led = led_before.clone();
    let mut done: Vec<(String, RawPath)> = Vec::new();
    for recipient in recipients {
        let Some((_, rule)) = rules.lookup(&recipient.resolved) else {
            continue;
        };
        let Some(address) = recruiting_address(recipient) else {
            continue;
        };
        let key = address.key();
        if standing.iter().any(|s| s.address.key() == key) {
            continue;
        }
        // The same address twice is one delivery in Postfix; it must not be two copies.
        if done.iter().any(|(seen, path)| *seen == key && *path == recipient.path) {
            continue;
        }
        let again = done.iter().any(|(seen, _)| *seen == key);
        done.push((key, recipient.path.clone()));
        // A probe is to litter no mailbox. Nobody misses it, so it counts as kept where it ends.
        let probe = origin.probe.filter(|probe| probe.is_for(&address)).map(|probe| probe.id);
        let stays = rule.local_copy && probe.is_none();
        if stays && led_before.iter().any(|leader| leader.shares_copy_with(rule)) {
            continue;
        }
        let leader = led.iter().find(|leader| leader.shares_copy_with(rule));
        let companion = leader.is_some();
        let mut entry =
            Diverted { address, system: rules.system(rule).id.clone(), handoff: None, probe };
        // A companion that stays where it is needs nobody to watch over it, nor does what is not to
        // be forwarded.
        if !stays || !companion && !again && !origin.own_login {
            let flags =
                Flags { kept: rule.local_copy || probe.is_some(), companion, ..origin.flags() };
            let leader = leader.unwrap_or(&rule).tag();
            let handoff = Handoff { way: Way::Forward, id: stamp(), flags, leader };
            hand_over(builder, rules, keys, (recipient, &entry.address), &handoff, stays)?;
            entry.handoff = Some(handoff);
        }
        led.push(rule);
        diverted.push(entry);
    }
    Some(diverted)
}

/// Puts a handoff into the envelope: beside its recruiting address where that stays, else in its
/// place.
fn hand_over(
    builder: &mut PlanBuilder,
    rules: &Rules,
    keys: &Keys,
    (recipient, address): (&Recipient, &Address),
    handoff: &Handoff,
    stays: bool,
) -> Option<()> {
    let local = handoff.local_part(keys, address)?;
    let to = Address::parse(&format!("{local}@{}", rules.handoff_domain)).ok()?;
    let orcpt = Some(Orcpt::new(address.clone()));
    // RFC 3461 4.1 NOTIFY=NEVER: the envelope sender is still the applicant, who must not hear of
    // this recipient. The second smtpd asks for reports again.
    if stays {
        builder.add_rcpt(to, Notify::Never, orcpt);
    } else {
        let path = &recipient.path;
        builder.replace_rcpt(path.clone(), to, Notify::Never, orcpt);
        builder.also_spelled(path.without_route());
    }
    Some(())
}

/// The recruiting address as the sender wrote it, where it can be written again; else as resolved.
fn recruiting_address(recipient: &Recipient) -> Option<Address> {
    let resolved =
        Address::parse(recipient.resolved.strip_suffix('.').unwrap_or(&recipient.resolved));
    let written = recipient.path.address();
    match (written, resolved) {
        (Some(written), Ok(resolved)) if written.key() == resolved.key() => Some(written),
        (_, resolved) => resolved.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Envelope, Header};
    use crate::plan::apply;
    use crate::policy::testing::{keys, rules, stamp};

    fn plan(recipients: &[&str]) -> String {
        let all: Vec<Recipient> = recipients.iter().map(|r| Recipient::plain(r)).collect();
        let mine: Vec<Recipient> =
            all.iter().filter(|r| is_recruiting(&rules(), &r.resolved)).cloned().collect();
        let d = divert(&rules(), &keys(), &mine, Origin::default(), &mut stamp()).unwrap();
        let text = d.plan.to_string();
        // Tokens are tested elsewhere; here they are numbered.
        d.diverted.iter().filter_map(|e| Some((e, e.handoff?))).enumerate().fold(
            text,
            |text, (i, (e, h))| {
                text.replace(&h.local_part(&keys(), &e.address).unwrap(), &format!("T{}", i + 1))
            },
        )
    }

    #[test]
    fn a_recruiting_address_with_a_local_copy_gets_a_companion_recipient() {
        assert_eq!(
            plan(&["jobs@acme.example", "bob@acme.example"]),
            "add_rcpt <T1@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example\ncontinue"
        );
    }

    #[test]
    fn without_a_local_copy_the_address_is_replaced() {
        assert_eq!(
            plan(&["Karriere+X@acme.example"]),
            "add_rcpt <T1@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;Karriere+2BX@acme.example\n\
             del_rcpt <Karriere+X@acme.example>\ncontinue"
        );
    }

    #[test]
    fn two_addresses_of_one_system_are_one_copy() {
        assert_eq!(
            plan(&["jobs@acme.example", "jobs+berlin@acme.example"]),
            "add_rcpt <T1@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example\ncontinue"
        );
        // The second keeps no local copy: a companion watches over it.
        assert_eq!(
            plan(&["jobs@acme.example", "karriere@acme.example"]),
            "add_rcpt <T1@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example\n\
             add_rcpt <T2@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;karriere@acme.example\n\
             del_rcpt <karriere@acme.example>\ncontinue"
        );
    }

    #[test]
    fn two_systems_are_two_copies() {
        assert_eq!(
            plan(&["jobs@acme.example", "jobs@other.example"]),
            "add_rcpt <T1@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@acme.example\n\
             add_rcpt <T2@handoff.internal> NOTIFY=NEVER ORCPT=rfc822;jobs@other.example\ncontinue"
        );
    }

    #[test]
    fn the_same_address_twice_is_one_copy() {
        assert_eq!(plan(&["jobs@acme.example"; 2]), plan(&["jobs@acme.example"]));
        assert_eq!(plan(&["jobs@acme.example", "JOBS@acme.example"]), plan(&["jobs@acme.example"]));
        assert_eq!(plan(&["karriere@acme.example"; 3]), plan(&["karriere@acme.example"]));
    }

    /// The envelope as a content filter gives it back, with or without ORCPT.
    fn again(recipients: &[&str], keeps_dsn: bool) -> Diversion {
        let now = 1_795_551_688;
        let mut all: Vec<Recipient> = recipients.iter().map(|r| Recipient::plain(r)).collect();
        let origin = Origin { now, ..Origin::default() };
        let first = divert(&rules(), &keys(), &all, origin, &mut stamp()).unwrap();
        let mut envelope = Envelope { recipients: all, ..Envelope::default() };
        apply(&first.plan, usize::MAX, &mut envelope, &mut Header::default());
        all = envelope.recipients;
        if !keeps_dsn {
            for recipient in &mut all {
                recipient.args.clear();
            }
        }
        all.retain(|recipient| concerns(&rules(), &recipient.resolved));
        divert(&rules(), &keys(), &all, origin, &mut stamp()).unwrap()
    }

    #[test]
    fn what_comes_by_again_with_its_handoff_is_left_alone() {
        for recipients in [
            &["jobs@acme.example", "bob@acme.example"][..],
            &["Jobs+Berlin@acme.example"],
            &["jobs@acme.example", "jobs+berlin@acme.example"],
            &["karriere@acme.example"],
            &["jobs@acme.example", "karriere@acme.example", "jobs@other.example"],
        ] {
            let second = again(recipients, true);
            assert_eq!(second.plan.to_string(), "continue", "{recipients:?}");
            assert_eq!(second.diverted, [], "{recipients:?}");
            assert!(!second.standing.is_empty(), "{recipients:?}");
        }
        // The token tells by itself which address it is for.
        let second = again(&["jobs@acme.example", "jobs@other.example"], false);
        assert_eq!((second.plan.to_string().as_str(), second.standing.len()), ("continue", 2));
    }

    #[test]
    fn only_a_genuine_handoff_for_the_address_spares_it() {
        let token = |address: &str, keys: &Keys| {
            let handoff = Handoff {
                way: Way::Forward,
                id: TokenId { time: 1, nonce: [9; 6] },
                flags: Flags { kept: true, ..Flags::default() },
                leader: [0; 4],
            };
            handoff.local_part(keys, &Address::parse(address).unwrap()).unwrap()
        };
        let other_key = Keys::new(vec![(3, vec![4; 32])]).unwrap();
        for local in [
            "x".to_owned(),
            token("jobs@acme.example", &other_key),
            token("jobs@other.example", &keys()),
        ] {
            let beside = Recipient::plain(&format!("{local}@handoff.internal"));
            let all = [Recipient::plain("jobs@acme.example"), beside];
            let d = divert(&rules(), &keys(), &all, Origin::default(), &mut stamp()).unwrap();
            assert_eq!((d.diverted.len(), d.standing.len()), (1, 0), "{local}");
        }
        let local = token("jobs@acme.example", &keys());
        let beside = Recipient::plain(&format!("{local}@Handoff.Internal"));
        let all = [Recipient::plain("JOBS@acme.example"), beside];
        let old = Origin { now: 1 + crate::policy::token::HANDOFF_LIFE + 1, ..Origin::default() };
        let d = divert(&rules(), &keys(), &all, old, &mut stamp()).unwrap();
        assert_eq!((d.diverted.len(), d.standing.len()), (1, 0), "it is too old");
    }

    #[test]
    fn handoffs_are_told_by_their_domain() {
        for (resolved, is) in [
            ("t@handoff.internal", true),
            ("T@HANDOFF.internal", true),
            ("t@xhandoff.internal", false),
            ("handoff.internal", false),
            ("", false),
            ("t@handoff.internalé", false),
        ] {
            assert_eq!(is_handoff(&rules(), resolved), is, "{resolved}");
        }
    }

    #[test]
    fn mail_of_others_is_not_touched() {
        assert_eq!(plan(&["bob@acme.example", "jobs@elsewhere.example"]), "continue");
    }

    #[test]
    fn an_address_that_needs_quotes_stays_ordinary_mail() {
        let odd = Recipient {
            path: RawPath::new("<\"a b\"@karriere.acme.example>"),
            resolved: "a b@karriere.acme.example".into(),
            args: vec![],
        };
        let quoted = Recipient {
            path: RawPath::new("<\"jobs\"@acme.example>"),
            resolved: "jobs@acme.example".into(),
            args: vec![],
        };
        let d = divert(&rules(), &keys(), &[odd, quoted], Origin::default(), &mut stamp()).unwrap();
        let addresses: Vec<&str> = d.diverted.iter().map(|e| e.address.as_str()).collect();
        assert_eq!(addresses, ["jobs@acme.example"]);
    }
}
