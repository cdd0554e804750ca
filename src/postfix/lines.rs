//! The options of our services in master.cf, each with its reason.
//!
//! Must not know configuration or instance: what depends on them is in [`super::wanted`].
// SPDX-License-Identifier: GPL-3.0-or-later

/// Name, value and reason of an option.
pub(super) type Line = (&'static str, &'static str, &'static str);

/// Both smtpd services of ours. A message that the front has accepted must never be refused here:
/// the handoff carries NOTIFY=NEVER, so that nobody would hear of it.
pub(super) const SMTPD: &[Line] = &[
    ("smtpd_milter_maps", "", "no client is exempt from it"),
    ("smtpd_client_restrictions", "permit_mynetworks,reject", "this machine only"),
    ("smtpd_helo_restrictions", "", ""),
    ("smtpd_sender_restrictions", "", "senders were judged when the mail came in"),
    ("smtpd_relay_restrictions", "permit_mynetworks,reject", ""),
    ("smtpd_recipient_restrictions", "permit_mynetworks,reject", ""),
    ("smtpd_data_restrictions", "", ""),
    ("smtpd_end_of_data_restrictions", "", ""),
    ("smtpd_etrn_restrictions", "reject", ""),
    ("smtpd_reject_unlisted_sender", "no", ""),
    ("smtpd_reject_unlisted_recipient", "no", ""),
    ("smtpd_helo_required", "no", ""),
    ("strict_rfc821_envelopes", "no", ""),
    ("smtpd_sasl_auth_enable", "no", "no login and no TLS inside the machine"),
    ("smtpd_tls_security_level", "none", ""),
    ("smtpd_tls_wrappermode", "no", ""),
    ("smtpd_proxy_filter", "", "filters have seen the mail already"),
    ("content_filter", "", ""),
    ("smtpd_upstream_proxy_protocol", "", "our own client speaks plain SMTP"),
    ("smtpd_authorized_xclient_hosts", "", "nobody may pretend to be another client"),
    ("smtpd_authorized_xforward_hosts", "", ""),
    (
        "local_header_rewrite_clients",
        "",
        "no address is completed, no Date, From or Message-ID added",
    ),
    ("remote_header_rewrite_domain", "", ""),
    (
        "smtpd_discard_ehlo_keywords",
        "chunking,etrn,silent-discard",
        "DSN must be offered, or NOTIFY and ORCPT are lost",
    ),
    ("smtpd_discard_ehlo_keyword_address_maps", "", ""),
    ("smtpd_forbid_unauth_pipelining", "yes", "no second message is smuggled in"),
    ("message_size_limit", "0", "what the front has accepted is never too big here"),
    ("smtpd_error_sleep_time", "0", ""),
    ("smtpd_hard_error_limit", "1000", ""),
    ("smtpd_client_connection_count_limit", "0", "no limits on ourselves"),
    ("smtpd_client_connection_rate_limit", "0", ""),
    ("smtpd_client_message_rate_limit", "0", ""),
    ("smtpd_client_recipient_rate_limit", "0", ""),
];

/// Both cleanup services of ours.
pub(super) const CLEANUP: &[Line] = &[
    ("always_bcc", "", "copies for the archive were made when the mail came in"),
    ("sender_bcc_maps", "", ""),
    ("recipient_bcc_maps", "", ""),
    ("header_checks", "", "the header was checked when the mail came in"),
    ("mime_header_checks", "", ""),
    ("nested_header_checks", "", ""),
    ("body_checks", "", ""),
    ("milter_header_checks", "", ""),
    ("message_size_limit", "0", "what the front has accepted is never too big here"),
    ("hopcount_limit", "200", "two Received fields more than the front has counted"),
    ("always_add_missing_headers", "no", "the bytes stay as they came"),
    ("message_drop_headers", "", ""),
    ("message_reject_characters", "", ""),
    ("message_strip_characters", "", ""),
    ("strict_7bit_headers", "no", ""),
    ("strict_8bitmime", "no", ""),
    ("strict_8bitmime_body", "no", ""),
    ("strict_mime_encoding_domain", "no", ""),
];

/// The cleanup service of the second smtpd besides: no address is mapped.
pub(super) const NO_MAPPING: &[Line] = &[
    ("virtual_alias_maps", "", "the copy goes to the recruiting system whatever the site maps"),
    ("canonical_maps", "", ""),
    ("sender_canonical_maps", "", ""),
    ("recipient_canonical_maps", "", ""),
    ("masquerade_domains", "", ""),
];

/// The cleanup service of the third smtpd besides: the site's mapping, but of recipients only.
pub(super) const RETURN_MAPPING: &[Line] = &[
    ("canonical_classes", "envelope_recipient", "the sender was mapped when the mail came in"),
    ("sender_canonical_maps", "", ""),
];

/// What keeps the bytes of a message in both smtp clients of ours.
pub(super) const BYTES: &[Line] = &[
    ("smtp_line_length_limit", "0", "long lines are not folded: signatures would break"),
    ("disable_mime_output_conversion", "yes", ""),
    ("smtp_generic_maps", "", "nothing in the message is rewritten"),
    ("smtp_header_checks", "", ""),
    ("smtp_mime_header_checks", "", ""),
    ("smtp_nested_header_checks", "", ""),
    ("smtp_body_checks", "", ""),
];

/// The client that brings mail from the queue to the agent. Postfix's own timeouts, in case the site
/// has others: the agent answers once the second smtpd has.
pub(super) const AGENT_CLIENT: &[Line] = &[
    (
        "soft_bounce",
        "yes",
        "a refusal waits in the queue: with NOTIFY=NEVER nobody would hear of it",
    ),
    (
        "lmtp_fallback_relay",
        "",
        "while the agent is down, its mail waits and never leaves this machine",
    ),
    ("lmtp_delivery_status_filter", "", ""),
    ("lmtp_reply_filter", "", ""),
    ("lmtp_discard_lhlo_keywords", "", "DSN must be used, or ORCPT is lost"),
    ("lmtp_discard_lhlo_keyword_address_maps", "", ""),
    ("lmtp_connection_cache_on_demand", "no", "each message by itself"),
    ("lmtp_connection_cache_destinations", "", ""),
    ("lmtp_tls_security_level", "none", "no login and no TLS inside the machine"),
    ("lmtp_tls_policy_maps", "", ""),
    ("lmtp_tls_wrappermode", "no", ""),
    ("lmtp_sasl_auth_enable", "no", ""),
    ("lmtp_lhlo_timeout", "300s", "the agent answers after the second smtpd and its disk"),
    ("lmtp_mail_timeout", "300s", ""),
    ("lmtp_rcpt_timeout", "300s", ""),
    ("lmtp_data_init_timeout", "120s", ""),
    ("lmtp_data_xfer_timeout", "180s", ""),
    ("lmtp_data_done_timeout", "600s", ""),
    ("lmtp_line_length_limit", "0", "long lines are not folded: signatures would break"),
    ("disable_mime_output_conversion", "yes", ""),
    ("lmtp_generic_maps", "", "nothing in the message is rewritten"),
    ("lmtp_header_checks", "", ""),
    ("lmtp_mime_header_checks", "", ""),
    ("lmtp_nested_header_checks", "", ""),
    ("lmtp_body_checks", "", ""),
];

/// The client that brings mail from the queue to our smtpd services.
pub(super) const HANDOFF_CLIENT: &[Line] = &[
    (
        "soft_bounce",
        "yes",
        "a refusal waits in the queue: with NOTIFY=NEVER nobody would hear of it",
    ),
    (
        "smtp_fallback_relay",
        "",
        "while our smtpd is down, handoffs wait and never leave this machine",
    ),
    ("smtp_delivery_status_filter", "", ""),
    ("smtp_reply_filter", "", ""),
    ("smtp_discard_ehlo_keywords", "", "DSN must be used, or NOTIFY and ORCPT are lost"),
    ("smtp_discard_ehlo_keyword_address_maps", "", ""),
    ("smtp_never_send_ehlo", "no", ""),
    ("smtp_always_send_ehlo", "yes", ""),
    (
        "smtp_connection_cache_on_demand",
        "no",
        "one failed milter call must not fail the next message",
    ),
    ("smtp_connection_cache_destinations", "", ""),
    ("smtp_tls_security_level", "none", "no login and no TLS inside the machine"),
    ("smtp_tls_policy_maps", "", ""),
    ("smtp_tls_wrappermode", "no", ""),
    ("smtp_sasl_auth_enable", "no", ""),
];
