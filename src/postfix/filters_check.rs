//! What is wrong with our milter's place where content filters are.
//!
//! Pure. Changes nothing.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::change::Change;
use super::filters::{
    Dsn, Filter, Filters, Layout, discards, expanded, follows, names_ours, pickup, setting,
};
use super::milters::is_submission;
use super::names::{MILTERS, NON_SMTPD, REST_PARAM};
use super::report::Report;
use super::syntax::Service;
use crate::config::Config;
use crate::findings::{Id, Severity, id};

impl Filters<'_> {
    /// Tells what is wrong. Takes out of the changes what it tells of.
    pub(super) fn examine(&self, report: &mut Report, config: &Config, changes: &mut Vec<Change>) {
        for table in &self.site.filters.unseen {
            report.add(
                id::TABLE_OF_FILTERS_UNSEEN,
                format!(
                    "what \"{table}\" says could not be looked at: a FILTER in it would take mail \
                     through a content filter, and our milter may not be in its place for that"
                ),
                "run it as root; where only the table's server knows what it says: leave it if it \
                 never says FILTER, else set content_filter instead",
            );
        }
        let Some(layout) = self.layout else { return };
        let mut told = Vec::new();
        changes.retain(|change| match self.misplaced(change) {
            Some(finding) => {
                told.push(finding);
                false
            }
            None => true,
        });
        // What these need besides is told with them.
        let is_rest =
            |change: &Change| matches!(change, Change::Param { name, .. } if name == REST_PARAM);
        changes.retain(|change| told.is_empty() || !is_rest(change));
        for (severity, id, text) in told {
            report.with(severity, id, text, "recruit-milter postfix --apply");
        }
        for (service, filters) in &self.entrances {
            if layout == Layout::Behind {
                self.entrance_behind(report, config, service, filters);
            } else if self.is_at(service) {
                self.entrance_before(report, service, filters);
            }
        }
        if layout == Layout::Before
            && self.entrances.is_empty()
            && let Some(pickup) = pickup(self.site)
        {
            self.entrance_before(report, pickup, &self.pickup);
        }
    }

    /// What is wrong where our milter is, or is not, at a service.
    fn misplaced(&self, change: &Change) -> Option<(Severity, Id, String)> {
        match change {
            Change::Milters { old, new } => {
                let has = |service: &Service| {
                    let own = service.option(MILTERS);
                    own.is_none_or(|own| names_ours(own, Some(self.site)))
                };
                let key = new.key();
                let known = self.entrances.iter().map(|(service, _)| service);
                let mut known = known.chain(&self.between).chain(&self.behind);
                if !known.any(|service| service.key() == key) {
                    return None;
                }
                let proxy = setting(Some(new), "smtpd_proxy_filter", self.site);
                match (has(old), has(new)) {
                    (true, false) if !proxy.is_empty() => Some((
                        Severity::Error,
                        id::PROXY_FILTER,
                        format!(
                            "{key} has an smtpd_proxy_filter: Postfix makes no changes of milters \
                             there, and our milter's place is behind that filter"
                        ),
                    )),
                    (true, false) => Some((
                        Severity::Error,
                        id::PASSES_TWICE,
                        format!(
                            "{key} in master.cf: mail passes our milter there and on the other side \
                             of a content filter: the recruiting system may get it twice"
                        ),
                    )),
                    (false, true) if self.layout == Some(Layout::Behind) => Some((
                        Severity::Error,
                        id::UNSEEN_BEHIND_FILTER,
                        format!(
                            "{key} in master.cf: a content filter gives mail back there, and our \
                             milter, whose place is behind it, does not see it"
                        ),
                    )),
                    _ => None,
                }
            }
            Change::Param { name, new: Some(new), .. }
                if name == NON_SMTPD && !follows(new) && !names_ours(new, None) =>
            {
                // In one envelope pass 1 knows its own handoff again.
                let split = self.pickup.iter().any(|filter| self.splits(filter));
                let severity = if split { Severity::Error } else { Severity::Warning };
                Some((
                    severity,
                    id::SENDMAIL_TWICE,
                    format!(
                        "{NON_SMTPD} in main.cf: mail of sendmail(1) passes our milter before the \
                         content filter and behind it: where its recipients are split, the \
                         recruiting system gets it twice"
                    ),
                ))
            }
            _ => None,
        }
    }

    /// Whether a filter gets each recipient by itself.
    fn splits(&self, filter: &Filter) -> bool {
        let name = filter.to.split(':').next().unwrap_or_default();
        let own = self.site.main.get(&format!("{name}_destination_recipient_limit"));
        let limit = own.map_or_else(
            || self.site.value("default_destination_recipient_limit").to_owned(),
            |own| expanded(own, self.site),
        );
        limit.trim() == "1"
    }

    /// Our milter is before the filter: handoffs pass it.
    fn entrance_before(&self, report: &mut Report, service: &Service, filters: &[Filter]) {
        let key = service.key();
        for filter in filters.iter().filter(|filter| !filter.proxy) {
            let to = &filter.to;
            match self.dsn(filter) {
                Dsn::Lost => report.add(
                    id::FILTER_LOSES_DSN,
                    format!(
                        "{key}: the filter \"{to}\" loses ORCPT and NOTIFY (it has no SMTP extension \
                         DSN), and handoffs pass it: where no local copy is kept the mail never \
                         arrives, and the applicant gets a report that names the handoff"
                    ),
                    if filter.always {
                        "let it offer DSN, or list $recruit_milter_front only where it gives mail back"
                    } else {
                        "use a filter that offers DSN, or let all mail pass it (content_filter)"
                    },
                ),
                Dsn::Unknown => report.add(
                    id::FILTER_SILENT,
                    format!(
                        "{key}: nobody answered at the filter \"{to}\": whether it offers DSN, which \
                         handoffs need, was not looked at"
                    ),
                    "start the filter, then recruit-milter postfix --check",
                ),
                Dsn::NoTransport => Self::pass_on(report, service),
                Dsn::Kept if self.behind.is_empty() => Self::pass_on(report, service),
                Dsn::Kept => {}
            }
        }
        for inner in self.between.iter().chain(&self.behind) {
            if discards(&setting(Some(inner), "smtpd_discard_ehlo_keywords", self.site)) {
                report.add(
                    id::FILTER_LOSES_DSN,
                    format!(
                        "{} offers no DSN (smtpd_discard_ehlo_keywords): handoffs that a content \
                         filter gives back there lose ORCPT and NOTIFY",
                        inner.key()
                    ),
                    format!("postconf -P '{}/smtpd_discard_ehlo_keywords='", inner.key()),
                );
            }
        }
    }

    /// Where the filter gives mail back is not to be seen here.
    fn pass_on(report: &mut Report, service: &Service) {
        let text = format!(
            "{} has a content_filter: handoffs pass through it as well, and where it gives mail back \
             is not to be seen in master.cf",
            service.key()
        );
        let remedy = "make sure that it hands on ORCPT and NOTIFY (SMTP extension DSN), and that no \
                      smtpd behind it has $recruit_milter_front";
        report.add(id::FILTER_WAY_BACK, text, remedy);
    }

    /// Our milter is behind the filter.
    fn entrance_behind(
        &self,
        report: &mut Report,
        config: &Config,
        service: &Service,
        filters: &[Filter],
    ) {
        let key = service.key();
        if config.rules.has_outbound() && is_submission(service) {
            report.add(
                id::PASSES_TWICE,
                format!(
                    "{key}: mail of logins passes our milter there and behind the content filter: the \
                     recruiting system may get it twice"
                ),
                format!(
                    "postconf -P '{key}/content_filter=' (or a filter that offers DSN, with our \
                     milter before it)"
                ),
            );
        } else if filters.iter().any(|filter| filter.proxy) && !self.is_behind() {
            report.with(
                Severity::Error,
                id::PROXY_FILTER,
                format!("{key} has an smtpd_proxy_filter, and our milter is not behind it"),
                "list $recruit_milter_front at the smtpd behind that filter",
            );
        }
    }
}
