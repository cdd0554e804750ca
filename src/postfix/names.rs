//! What is ours in Postfix's configuration, by name: files, parameters, services, and the elements that
//! join the site's lists.
//!
//! Must not know what any of it is to say.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::syntax::Service;

/// The table that lets reports exist behind the handoff.
pub(super) const COMMAND_FILTER: &str = "recruit-milter.regexp";

/// The table that routes handoff addresses.
pub(super) const TRANSPORT: &str = "recruit-milter.transport";

/// The table that keeps our addresses out of the site's address mapping.
pub(super) const VIRTUAL: &str = "recruit-milter.virtual";

/// The table of those who are told of trouble.
pub(super) const ALERTS: &str = "recruit-milter.alerts";

/// The table that tells routes by the envelope sender.
pub(super) const ROUTES: &str = "recruit-milter.routes";

/// The table that tells routes by a field.
pub(super) const FIELDS: &str = "recruit-milter.fields";

/// The files of ours in Postfix's configuration directory.
pub(super) const FILES: [&str; 6] = [COMMAND_FILTER, TRANSPORT, VIRTUAL, ALERTS, ROUTES, FIELDS];

/// The first line of each table.
pub(super) const HEAD: &str =
    "# Written by recruit-milter; remade by \"recruit-milter postfix --apply\".\n";

/// The milter of incoming mail, in a list.
pub(super) const FRONT: &str = "$recruit_milter_front";

/// The milter of outgoing mail, in a list. It does what the other one does as well.
pub(super) const SUBMISSION: &str = "$recruit_milter_submission";

/// All milters of a submission service that has no list of its own.
pub(super) const SUBMISSIONS: &str = "$recruit_milter_submissions";

/// The milters of main.cf without ours, in a list.
pub(super) const REST: &str = "$recruit_milter_rest";

/// The parameter that this is.
pub(super) const REST_PARAM: &str = "recruit_milter_rest";

/// The parameter of main.cf that names the DKIM signer of the copies.
pub(super) const SIGNER_PARAM: &str = "recruit_milter_signer";

/// The milters of mail that does not come by SMTP.
pub(super) const NON_SMTPD: &str = "non_smtpd_milters";

/// What these often are.
pub(super) const FOLLOWS: &str = "$smtpd_milters";

/// The option of a service that names its milters.
pub(super) const MILTERS: &str = "smtpd_milters";

/// The parameters in main.cf that are ours alone.
pub(super) const OWN_PARAMS: [&str; 10] = [
    "recruit_milter_front",
    "recruit_milter_submission",
    "recruit_milter_submissions",
    "recruit_milter_handoff",
    REST_PARAM,
    SIGNER_PARAM,
    "recruit_milter_transports",
    "recruit_milter_aliases",
    "recruit-handoff_destination_recipient_limit",
    "recruit-agent_destination_recipient_limit",
];

/// The site's lists that an element of ours joins, and that element.
pub(super) const LISTS: [(&str, &str); 4] = [
    ("smtpd_milters", "$recruit_milter_front"),
    ("non_smtpd_milters", "$recruit_milter_front"),
    ("transport_maps", "$recruit_milter_transports"),
    ("virtual_alias_maps", "$recruit_milter_aliases"),
];

/// The site's lists that an element of ours joins where there is outgoing mail, and that element.
pub(super) const OUTGOING_LISTS: [(&str, &str); 3] = [
    ("smtpd_milters", SUBMISSION),
    (ROUTES_LIST, "regexp:$config_directory/recruit-milter.routes"),
    (FIELDS_LIST, "regexp:$config_directory/recruit-milter.fields"),
];

pub(super) const ROUTES_LIST: &str = "sender_dependent_default_transport_maps";

pub(super) const FIELDS_LIST: &str = "milter_header_checks";

/// The names of our services that are not `inet`.
pub(super) const OWN_SERVICES: [&str; 5] = [
    "recruit-cleanup",
    "recruit-return-cleanup",
    "recruit-handoff",
    "recruit-agent",
    "recruit-out",
];

/// Whether a service of master.cf is ours.
pub(super) fn is_ours(service: &Service) -> bool {
    OWN_SERVICES.contains(&service.name.as_str())
        || service
            .option("cleanup_service_name")
            .is_some_and(|cleanup| OWN_SERVICES.contains(&cleanup))
}

impl Service {
    /// Whether it is one of ours.
    pub fn is_of_recruit_milter(&self) -> bool {
        is_ours(self)
    }
}
