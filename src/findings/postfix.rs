//! The ids of what `postfix --check` finds in Postfix's configuration.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{ERROR, ERROR_OR_NOT_TESTED, ERROR_OR_WARNING, WARNING, table};

table! {
    POSTFIX_TOO_OLD = "RM-POSTFIX-01", ERROR,
        "Postfix is too old",
        "Postfix lacks what recruit-milter needs, so that copies would not be made or not be routed. \
         Use Postfix 3.5 or newer.";
    NO_SUCH_TABLE_TYPE = "RM-POSTFIX-02", ERROR,
        "a type of look-up table is missing",
        "Our routes are tables of the types inline and regexp, and this Postfix cannot read one of them: mail \
         that needs it is put off. Install the package that brings it; postconf -m lists what is there.";
    LIST_WITHOUT_OURS = "RM-POSTFIX-03", ERROR,
        "a list in main.cf does not name what is ours",
        "Either the milter is not asked for incoming mail, or handoffs do not find their way. Mail arrives \
         as it would without recruit-milter, or waits. recruit-milter postfix --apply adds what is missing.";
    SETTING_DIFFERS = "RM-POSTFIX-04", ERROR,
        "a setting of ours in main.cf is missing or another one",
        "The setting was changed by hand, or the configuration was changed after the last --apply. Until they \
         agree copies may wait, fail or go another way. recruit-milter postfix --apply writes it anew.";
    SERVICE_DIFFERS = "RM-POSTFIX-05", ERROR,
        "a service of ours in master.cf is missing, another one or left over",
        "Copies pass these services on their way to the recruiting system; without the right ones they wait or \
         fail. recruit-milter postfix --apply writes them anew, and takes out what is not needed any more.";
    TABLE_DIFFERS = "RM-POSTFIX-06", ERROR,
        "a table of ours is missing or not what the configuration needs",
        "The file lies in Postfix's configuration folder and says where handoffs, reports or outgoing mail go. \
         Until it is right they wait or go elsewhere. recruit-milter postfix --apply writes it.";
    FRONT_TWICE = "RM-POSTFIX-07", ERROR,
        "a list names our milter more than once",
        "Each message would pass it twice. Leave one of the elements in that list, \
         $recruit_milter_front where no outgoing mail is configured.";
    FILTER_AFTER_FRONT = "RM-POSTFIX-08", WARNING,
        "a filter comes after our milter",
        "The filter may still refuse a message after our milter has told the log that it is forwarded. Put \
         $recruit_milter_front behind all spam and virus filters; a DKIM signer may follow it.";
    MILTER_PROTOCOL = "RM-POSTFIX-09", ERROR,
        "milter_protocol is not 6",
        "Our milter needs version 6 of the protocol; with another one it cannot work, and mail is put off or \
         not forwarded. 6 is the default: postconf -X milter_protocol.";
    CANNOT_BE_APPLIED = "RM-POSTFIX-10", ERROR,
        "the configuration asks for something that cannot be in Postfix",
        "A socket is missing, a value has characters that main.cf cannot hold, or a port is in use by another \
         service. Nothing can be compared or applied until that setting is changed.";
    MILTER_MAPS = "RM-POSTFIX-11", WARNING,
        "smtpd_milter_maps gives some clients other milters",
        "Mail from the clients in that table does not pass our milter and is not forwarded. Add our milter to the \
         results there, or list no client that sends mail to recruiting addresses.";
    ENTRANCE_WITHOUT_US = "RM-POSTFIX-12", ERROR_OR_WARNING,
        "mail that comes in at a service is not forwarded",
        "The service has a list of milters of its own without ours, or no_milters in receive_override_options. \
         It is an error where the world delivers (port 25), else a warning: it may be meant so. \
         Add our milter to that list, or take no_milters away.";
    PROXY_FILTER = "RM-POSTFIX-13", ERROR_OR_WARNING,
        "a service has an smtpd_proxy_filter",
        "Postfix makes no changes of milters before such a filter, so that copies are not made there. Our milter \
         belongs to the smtpd behind the filter: list $recruit_milter_front there, or use the filter as a \
         milter. It is a warning where the service is not the one of port 25.";
    HANDOFF_REWRITTEN = "RM-POSTFIX-14", ERROR,
        "a canonical table rewrites handoff addresses",
        "A copy on its way to pass 2 gets another recipient, and does not reach the recruiting system. Let the \
         patterns of that table match the site's own domains only.";
    JAILED = "RM-POSTFIX-15", ERROR,
        "a service in a chroot jail cannot reach our socket",
        "The socket lies outside of Postfix's queue folder, and the service sees nothing else. Postfix takes the \
         milter to be down and puts mail off. Put the sockets below the queue folder.";
    HOP_ADDRESS = "RM-POSTFIX-16", ERROR,
        "a smtpd of ours is at an address that is open to others, or that Postfix does not use",
        "Our own smtpds must listen on loopback alone, else strangers could hand in what only Postfix may; and \
         inet_protocols must have the address's family, else copies wait. Use 127.0.0.1:PORT.";
    HOP_DISABLED = "RM-POSTFIX-17", ERROR,
        "master_service_disable turns off a smtpd of ours",
        "Nobody listens there, and copies or alerts wait in the queue. Take the entry out of master_service_disable.";
    DELIMITERS_DIFFER = "RM-POSTFIX-18", WARNING,
        "recipient_delimiter differs between Postfix and our configuration",
        "An address with an extension (jobs+it@) may be a recruiting address for one and not for the other. Set \
         both to the same characters.";
    INBOUND_IS_LOCAL = "RM-POSTFIX-19", WARNING,
        "an inbound address is in a domain of this Postfix",
        "Copies may be delivered here instead of going to the recruiting system. Set next_hop of that system, or \
         use the address that the system itself shows.";
    QUEUE_LIFETIME = "RM-POSTFIX-20", ERROR_OR_WARNING,
        "maximal_queue_lifetime is too short, or longer than handoff addresses last",
        "Too short is an error: copies that wait are dropped unseen before they are given up ([handoff] \
         give_up_after). Longer than 30 days is a warning: what waits longer does not go to the recruiting \
         system any more. The default of five days is right: postconf -X maximal_queue_lifetime.";
    AUTHSERV_ID_OPEN = "RM-POSTFIX-21", WARNING,
        "anybody can write the Authentication-Results that are believed",
        "[internal] authserv_id is set, and nothing in this Postfix is to be seen that takes off such fields \
         which come from outside: a stranger could pass for a colleague. Set header_checks as the commented \
         configuration says, unless a server before this one does it.";
    MILTERS_OF_SERVICE = "RM-POSTFIX-30", ERROR,
        "a service in master.cf lacks our milter for outgoing mail, or has one left over",
        "Outgoing mail that comes in there is not checked and takes no route of ours; or it passes a milter that \
         the configuration does not need any more. recruit-milter postfix --apply.";
    LOGINS_UNSEEN = "RM-POSTFIX-31", ERROR,
        "a service takes logins past the rules of [login.*]",
        "A login could send as any address there. Turn smtpd_sasl_auth_enable off for that service, or set it in \
         master.cf, which makes it a submission service, and run recruit-milter postfix --apply.";
    SUBMISSION_UNSEEN = "RM-POSTFIX-32", ERROR,
        "a service for outgoing mail has no_milters",
        "Outgoing mail is not seen there: no address is checked and no route is set. Take no_milters out of its \
         receive_override_options.";
    SUBMISSION_ORDER = "RM-POSTFIX-33", WARNING,
        "milters of a service for outgoing mail are in the wrong order",
        "A signer before ours signs what we change afterwards; a filter behind ours may refuse what we have told \
         the log to be sent. Put our milter behind all filters and before the signer, once.";
    NO_SUCH_TRANSPORT = "RM-POSTFIX-34", ERROR,
        "a route names a transport that is not in master.cf",
        "Mail that takes this route waits in the queue. Name a transport that is there (smtp), or add it.";
    RELAY_SETTINGS = "RM-POSTFIX-35", WARNING,
        "a route leads to a relay, and Postfix has no login or no TLS for it",
        "A relay at port 587 or 465 mostly wants both, and refuses or drops what comes without. Set \
         smtp_sasl_password_maps and smtp_tls_security_level; for port 465 use a service of its own with \
         smtp_tls_wrappermode.";
    ROUTE_OVERRIDES = "RM-POSTFIX-36", WARNING,
        "a route that is told by a field overrides other settings, or is overridden",
        "Such a route takes every recipient of a mail along, past transport_maps and content_filter; without a \
         next_hop it follows default_filter_nexthop. Write recipe = \"sender\" or set next_hop where that is not \
         meant.";
    OWN_HEADER_CHECKS = "RM-POSTFIX-37", ERROR,
        "a cleanup service has milter_header_checks of its own",
        "Routes that are told by a field do not work there: mail takes the usual way. Add our table to that \
         option in master.cf.";
    DEFAULT_IS_INSIDE = "RM-POSTFIX-38", WARNING,
        "default_transport does not count as leading outside",
        "Recipients to whom it delivers are taken for inside, so that rules for outgoing mail do not hold for them. \
         Add it to transports in [outbound].";
    BOUNCE_REWRITTEN = "RM-POSTFIX-40", ERROR,
        "a canonical table rewrites our bounce addresses as senders",
        "The route of an outgoing mail is told by its envelope sender, and is lost. Let that table leave our \
         bounce address as it is.";
    PASSES_TWICE = "RM-POSTFIX-41", ERROR,
        "mail passes our milter on both sides of a content filter",
        "The recruiting system may get it twice. recruit-milter postfix --apply leaves our milter on one side; \
         mail of logins must not go through a filter behind which our milter is.";
    UNSEEN_BEHIND_FILTER = "RM-POSTFIX-42", ERROR,
        "our milter does not see what a content filter gives back",
        "Our milter's place is behind the filter here, and a service to which the filter gives mail back does not \
         ask it: that mail is not forwarded. recruit-milter postfix --apply.";
    SENDMAIL_TWICE = "RM-POSTFIX-43", ERROR_OR_WARNING,
        "mail of sendmail(1) passes our milter before the content filter and behind it",
        "Where the filter gets each recipient by itself (an error), the recruiting system gets such mail twice; \
         else it may (a warning). recruit-milter postfix --apply.";
    FILTER_LOSES_DSN = "RM-POSTFIX-44", ERROR,
        "a content filter, or the smtpd behind it, loses ORCPT and NOTIFY",
        "Handoffs pass the filter and need both: without them a mail of which no local copy is kept never arrives, \
         and the applicant gets a report that names the handoff. Let filter and smtpd offer DSN, or put our \
         milter behind the filter.";
    FILTER_SILENT = "RM-POSTFIX-45", WARNING,
        "nobody answered at a content filter",
        "Whether it offers DSN, which handoffs need, was not looked at; and while it is down mail waits. Start it, \
         then recruit-milter postfix --check.";
    TABLE_OF_FILTERS_UNSEEN = "RM-POSTFIX-46", WARNING,
        "a table could not be looked at that may lead mail through a content filter",
        "If FILTER stands in it, our milter may not be in its place for that mail: copies could be doubled or \
         lose what they need. Run it as root; where only a server knows what the table says and FILTER is \
         never in it, nothing has to be done, else set content_filter instead.";
    FILTER_WAY_BACK = "RM-POSTFIX-47", WARNING,
        "where a content filter gives mail back is not to be seen",
        "Handoffs pass through the filter as well. If it drops ORCPT and NOTIFY, or gives mail back where our \
         milter is asked again, mail is lost or doubled. Make sure that it does neither.";
    OUR_DOMAIN_IS_OPEN = "RM-POSTFIX-60", ERROR,
        "Postfix takes mail from outside for the handoff domain",
        "Only copies on their way belong there. What a stranger writes to it waits while it cannot be decided, \
         and reports on it go to whomever he names. Set another [handoff] domain, one that is nowhere used.";
    LIFETIME_WITHOUT_COPY = "RM-POSTFIX-61", WARNING,
        "maximal_queue_lifetime is short for an address that keeps no copy",
        "While our smtpd, its milter or a signer is away the mail waits in the queue alone, and is dropped unseen \
         after that time. Go back to five days (postconf -X maximal_queue_lifetime), or set local_copy = true.";
    UNSERVED = "RM-POSTFIX-90", ERROR,
        "Postfix does not serve the domain of an address",
        "Mail from outside for a recruiting address, or reports for the bounce address, are refused. Correct the \
         address, or add its domain to mydestination, virtual_mailbox_domains, virtual_alias_domains or \
         relay_domains.";
    SERVICE_NOT_CERTAIN = "RM-POSTFIX-91", WARNING,
        "whether Postfix serves the domain of an address is not certain",
        "A table could not be asked, only transport_maps has the domain, or a restriction decides that cannot be \
         read. Mail from outside may be refused. Run it as root; add the domain to relay_domains or one of the \
         other lists.";
    NETWORK_BOUNDLESS = "RM-POSTFIX-92", ERROR,
        "a network of [internal] networks has much of the Internet in it",
        "Strangers pass for colleagues, and their mails are opened as forwards. Name the networks of the company.";
    NETWORK_HAS_FILTER = "RM-POSTFIX-93", ERROR,
        "a network of [internal] networks has a filter in it",
        "The filter hands on mail from outside with its own address, so that strangers pass for colleagues. Name \
         networks that leave it out; colleagues are told by their logins, or by authserv_id.";
    NETWORK_MAY_HAVE_RELAY = "RM-POSTFIX-94", WARNING,
        "a network of [internal] networks has a relay or this machine in it",
        "If mail from outside comes from there as well (a relay, a filter, a web form, fetchmail), strangers pass \
         for colleagues. Leave that address out, unless it brings mail of colleagues alone.";
    NETWORK_HAS_MX = "RM-POSTFIX-95", ERROR_OR_NOT_TESTED,
        "a network of [internal] networks has a server in it that takes mail from outside",
        "An MX of a recruiting address hands mail on to this Postfix, so that strangers pass for colleagues. Name \
         networks that leave it out. It is not tested where the addresses of this machine cannot be read. \
         Only doctor looks.";
    INBOUND_IN_ALIAS_DOMAIN = "RM-POSTFIX-99", ERROR,
        "the domain of an inbound address is in virtual_alias_domains",
        "Postfix looks for the address in its alias tables, and each copy fails: \"User unknown in virtual alias \
         table\". Take the domain out there.";
    TABLE_NOT_ASKED = "RM-POSTFIX-100", WARNING,
        "a table cannot be asked",
        "What it says about our addresses is not known, and Postfix itself puts off mail that needs it. Mend the \
         table or take it out of the setting that names it; run the check as root.";
}
