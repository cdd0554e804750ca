//! The ids of what `doctor` finds beyond those of `postfix`: tables and settings that change the way of
//! mail, services, sockets, servers, and what lies on this machine.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::{ANY, ERROR, ERROR_OR_WARNING, NOT_TESTED, WARNING, WARNING_OR_NOT_TESTED, table};

table! {
    NO_ADDRESSES = "RM-DOCTOR-01", WARNING,
        "there are no recruiting addresses yet",
        "All mail passes and none is forwarded. Name a [system] with its addresses in the configuration, or run \
         recruit-milter setup.";
    OLD_KEY = "RM-DOCTOR-02", WARNING,
        "the key is more than 400 days old",
        "Mail is forwarded as before. A key should be exchanged now and then: recruit-milter init-key --rotate.";
    LITTLE_ROOM = "RM-DOCTOR-03", WARNING,
        "less than 100 MB are free where the state folder lies",
        "Without room the journal and the ledger cannot be written, and what becomes of copies is not known any \
         more; mail goes on. Make room there.";
    CLOCK = "RM-DOCTOR-04", ERROR,
        "the journal has entries of a time that is to come",
        "The clock was put back, or is wrong. What is told of times (verified, waiting, expired) cannot be \
         believed. Set the clock: timedatectl set-ntp true.";
    LEDGER_UNREADABLE = "RM-DOCTOR-05", ERROR,
        "the ledger cannot be opened or read",
        "What became of copies is not known, and no address counts as verified. Mail is forwarded without it. \
         What to do depends on the reason and stands below the finding.";
    LEDGER_BEHIND = "RM-DOCTOR-06", ERROR,
        "the agent does not read the journal",
        "Mail is forwarded, but nothing that happened since then is in the ledger, and the agent, which tells of \
         trouble, may not work at all. See why: systemctl status recruit-milter-agent.";
    POSTFIX_UNREADABLE = "RM-DOCTOR-10", ERROR,
        "Postfix's configuration cannot be read",
        "Nothing about Postfix was looked at. Run it as root; name the folder with --config-dir; postfix check \
         says what is wrong in the files.";
    QUEUE_UNREADABLE = "RM-DOCTOR-11", ERROR,
        "Postfix's queue cannot be read",
        "Mostly Postfix does not run, and no mail moves: postfix start. Else see what postqueue -j says.";
    COPIES_WAIT = "RM-DOCTOR-12", ERROR,
        "copies wait in the queue for more than an hour",
        "They have not reached the recruiting system. The reason that Postfix gives stands in the finding; mend \
         it, then let them be tried again with postqueue -f.";
    TRANSPORT_DEFERRED = "RM-DOCTOR-20", ERROR,
        "defer_transports has a transport that copies take",
        "They wait and are not even tried, until postqueue -f or the setting is taken back: \
         postconf -X defer_transports.";
    SOFT_BOUNCE = "RM-DOCTOR-21", ERROR,
        "soft_bounce is set",
        "What the recruiting system refuses waits instead of failing, and you hear of it days later. \
         postconf -X soft_bounce.";
    NO_TLS = "RM-DOCTOR-22", WARNING,
        "mail leaves without encryption",
        "smtp_tls_security_level is not set, so that applications cross the Internet in the clear. \
         postconf -e smtp_tls_security_level=may.";
    QUARANTINE = "RM-DOCTOR-24", WARNING,
        "milter_default_action is quarantine",
        "While a milter that has no setting of its own is down, mail goes to the hold queue and stays there. \
         postconf -e milter_default_action=tempfail lets senders try again.";
    SMALL_MESSAGES = "RM-DOCTOR-30", WARNING,
        "message_size_limit is below 20 MB",
        "Applications with large attachments are refused at the door. Raise it, as far as the recruiting system \
         takes as much.";
    SMALL_MAILBOXES = "RM-DOCTOR-31", ERROR,
        "a limit of mailboxes is lower than that of messages",
        "Postfix's own delivery agents refuse to work like that, and nothing is delivered to mailboxes. Set that \
         limit to 0 or above message_size_limit.";
    NO_DELAY_WARNING = "RM-DOCTOR-40", WARNING,
        "nobody hears of copies that wait",
        "delay_warning_time is 0, so that a copy that waits is told only when it fails, days later. \
         postconf -e delay_warning_time=1h.";
    NO_DNS = "RM-DOCTOR-41", WARNING,
        "Postfix does not look up MX records",
        "disable_dns_lookups is set without a relayhost: copies go to the host that has the domain's name, which \
         is seldom the mail server. postconf -X disable_dns_lookups.";
    NO_REPORTS = "RM-DOCTOR-42", ERROR,
        "a service that writes reports is missing in master.cf",
        "Without bounce, defer and trace nobody hears what became of a copy, and Postfix may put mail off. Put \
         Postfix's own line for it back.";
    DSN_HIDDEN = "RM-DOCTOR-43", WARNING,
        "senders cannot ask for reports",
        "smtpd_discard_ehlo_keywords has dsn, which a content filter that gives mail back may need as well. \
         postconf -X smtpd_discard_ehlo_keywords.";
    ALIAS_TO_INBOUND = "RM-DOCTOR-50", ERROR,
        "a recruiting address goes to the recruiting system by an alias already",
        "Each application arrives twice: by that table and by recruit-milter. Take the inbound address out of \
         that line.";
    PAST_US = "RM-DOCTOR-51", WARNING,
        "another address goes to the recruiting system past recruit-milter",
        "Its mail is neither seen nor verified, and applicants may not be recognised. Make it a recruiting \
         address in [system] addresses, and take the line out.";
    UNSEEN_WAY_IN = "RM-DOCTOR-52", ERROR,
        "mail reaches a recruiting address past the milter",
        "A table (aliases, canonical or bcc maps) leads to the recruiting address after the milter has seen the \
         message under another name: it lands in the mailbox and is not forwarded. Name that other address in \
         [system] addresses as well, or take the line out.";
    PATTERN_TO_INBOUND = "RM-DOCTOR-53", ERROR,
        "a pattern sends mail to the recruiting system past recruit-milter",
        "Where a recruiting address matches it, applications arrive twice. Take the inbound address out of that \
         table.";
    TABLE_NOT_LISTED = "RM-DOCTOR-54", NOT_TESTED,
        "a table can be asked, but not listed",
        "It was asked for the recruiting addresses alone. Other addresses that it lets end in one of them are \
         unseen by the milter: name them in [system] addresses.";
    ADDRESS_REWRITTEN = "RM-DOCTOR-60", ERROR,
        "a table changes an inbound address or the bounce address",
        "Copies go elsewhere, or reports on them are lost. Take the address out of that table.";
    MASQUERADED = "RM-DOCTOR-61", ERROR,
        "masquerade_domains changes the domain of an inbound address",
        "Copies go to an address that does not exist. Take envelope_recipient out of masquerade_classes.";
    ALWAYS_BCC = "RM-DOCTOR-70", ERROR,
        "always_bcc is a recruiting address",
        "A copy of all mail of this server goes to where applications belong. postconf -X always_bcc, or name \
         another address.";
    BCC_TO_SYSTEM = "RM-DOCTOR-71", ERROR,
        "a bcc map sends copies to the recruiting system",
        "What it matches arrives there past recruit-milter, recruiting mail twice. Take that line out.";
    RELAYS_FOR_SYSTEM = "RM-DOCTOR-72", WARNING,
        "relay_domains has the domain of an inbound address",
        "Strangers may send to the recruiting system through this server. Take the domain out of relay_domains.";
    ENTRANCE_UNSEEN = "RM-DOCTOR-73", ERROR,
        "mail that comes in does not pass the milter",
        "Postfix takes it and does not ask us, so that nothing is forwarded. Compare with recruit-milter postfix \
         --check, and reload Postfix.";
    HOP_FAILS = "RM-DOCTOR-74", ERROR,
        "a smtpd of ours does not take handoffs",
        "Copies wait in the queue and do not reach the recruiting system. What is wrong there stands in the \
         finding, with what to do.";
    SOCKET_SILENT = "RM-DOCTOR-80", ERROR,
        "nobody answers at a socket of ours",
        "The milter (or the agent, at its own socket) does not run or hangs, and Postfix puts off what passes \
         there. systemctl start recruit-milter, or restart it where it hangs.";
    SOCKET_NOT_SHOWN = "RM-DOCTOR-81", NOT_TESTED,
        "a socket cannot be looked at by this user",
        "Nothing is said about it. Run it as root.";
    NOT_A_SOCKET = "RM-DOCTOR-82", ERROR,
        "there is something else where a socket is to be",
        "The milter cannot listen there, and Postfix puts mail off. Remove the file, then start recruit-milter.";
    SOCKET_MODE = "RM-DOCTOR-83", ERROR,
        "Postfix may not write to a socket",
        "It takes the milter to be down and puts mail off. Give the socket to the group postfix, with mode 0660.";
    SOCKET_FOLDER = "RM-DOCTOR-84", ERROR,
        "Postfix may not enter the folder of a socket",
        "It takes the milter to be down and puts mail off. Let the group postfix enter that folder.";
    ADDRESS_REFUSED = "RM-DOCTOR-90", ERROR,
        "Postfix does not take mail for an address",
        "Applications, or reports on copies, are refused or put off at the door. Give a recruiting address a \
         mailbox or an alias; for the bounce address recruit-milter postfix --apply.";
    POSTFIX_SILENT = "RM-DOCTOR-91", ERROR,
        "nobody answers where mail comes in",
        "Postfix does not run, or [verify] via does not name the server that takes mail from outside.";
    INBOUND_REFUSED = "RM-DOCTOR-92", ERROR,
        "the recruiting system's server does not take mail for the inbound address",
        "Copies fail. Compare [system] inbound with the address that the recruiting system shows.";
    INBOUND_LATER = "RM-DOCTOR-93", WARNING,
        "the recruiting system's server takes no mail at the moment, or cannot be reached from here",
        "Copies wait and are tried again. See that this host may connect to port 25 of that server. Where Postfix \
         sends by a relay this says nothing.";
    OUTSIDE_NOT_SHOWN = "RM-DOCTOR-94", NOT_TESTED,
        "whether Postfix takes mail from outside could not be tried",
        "No address of this machine is outside for Postfix, or what it answered says nothing about the address. \
         Send a mail from a mailbox at another provider.";
    NOT_VERIFIED = "RM-DOCTOR-95", ANY,
        "an address is not verified",
        "No probe or mail of late is known to have gone the whole way: it failed (an error), is late (a warning), \
         or none was sent yet (not tested). recruit-milter verify sends one and says where it stays.";
    SERVICE_DOES_NOT_START = "RM-DOCTOR-96", ERROR_OR_WARNING,
        "a service of ours in Postfix does not start",
        "Copies wait; for the one that takes alerts it is a warning, for only they do. The mail log says why \
         (fatal:); mend that setting, then postfix reload.";
    SERVICE_NOT_SHOWN = "RM-DOCTOR-97", NOT_TESTED,
        "a service of ours in Postfix cannot be asked by this user",
        "Nothing is said about it. Run it as root.";
    SERVICE_NOT_THERE = "RM-DOCTOR-98", ERROR_OR_WARNING,
        "Postfix does not have a service of ours yet that is in master.cf",
        "Copies wait; for the one that takes alerts it is a warning. postfix reload.";
    DENIED_OUTSIDE = "RM-DOCTOR-99", ERROR,
        "Postfix takes no mail for an address from outside",
        "Applicants get their mails back. Correct the address, or add its domain to mydestination, \
         virtual_mailbox_domains, virtual_alias_domains or relay_domains.";
    RUNNING_NOT_SHOWN = "RM-DOCTOR-100", WARNING_OR_NOT_TESTED,
        "what the milter or the agent runs with cannot be looked at",
        "Whether it has the keys and the configuration of the files is not known. Run it as root; a warning has \
         another reason, which stands in the finding.";
    KEY_UNKNOWN = "RM-DOCTOR-101", ERROR,
        "the milter or the agent does not know the key that signs now",
        "It refuses the probes of recruit-milter verify, and would not know copies signed with that key. Restart \
         it, as the finding says.";
    OTHER_KEYS = "RM-DOCTOR-102", WARNING,
        "the milter or the agent runs with other keys than the file has",
        "Mail goes on, for it knows the key that signs. Let it take the keys of the file, as the finding says.";
    NEEDS_RESTART = "RM-DOCTOR-103", WARNING,
        "a restart is needed",
        "The program was upgraded, or a setting was changed that a reload does not take. Until then the old one \
         counts.";
    OLDER_CONFIGURATION = "RM-DOCTOR-104", WARNING,
        "the milter or the agent goes by an older configuration than the files have",
        "They have changed since, or were broken at its start or the last reload. Run recruit-milter check, mend \
         what is wrong, and reload.";
}
