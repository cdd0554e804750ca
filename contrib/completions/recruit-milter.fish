# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_recruit_milter_global_optspecs
    string join \n h/help V/version
end

function __fish_recruit_milter_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_recruit_milter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_recruit_milter_using_subcommand
    set -l cmd (__fish_recruit_milter_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -s V -l version -d 'Print version'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "run" -d 'Run the milter (in the foreground; what systemd starts)'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "check" -d 'Test the configuration: everything that is wrong with it, at once'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "init-key" -d 'Make the secret key that tokens and seals are signed with, or add a new one'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "setup" -d 'From nothing to verified: configuration, key, Postfix, and a test of all of it'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "postfix" -d 'Show what goes into Postfix\'s main.cf and master.cf; apply or remove it'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "login" -d 'Logins for recruiting systems: to send with, from anywhere, and to open no mailbox'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "doctor" -d 'Look at everything on the way of an application: what is wrong, and what to do about it'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "smtp-test" -d 'Step through SMTP settings as a recruiting system would use them; say what is wrong with them'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "verify" -d 'Send a probe to recruiting addresses and follow it hop by hop: is it verified?'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "status" -d 'A line for each recruiting address: is it verified, and what became of its mail?'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "trace" -d 'The life of a mail in time order'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "list" -d 'Copies and what became of them'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "resend" -d 'Send the copy of a mail to its recruiting system once more'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "subject" -d 'What the ledger has of somebody, and taking it out'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "export" -d 'The ledger as JSON lines'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "explain" -d 'Say what would happen to a message, and why'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "completions" -d 'Print a shell\'s completions of this command line'
complete -c recruit-milter -n "__fish_recruit_milter_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand run" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand run" -l role -d 'Run one role alone: the milter, which decides on mail, or the agent, which keeps books, verifies and unwraps. Without it both run in one process' -r -f -a "milter\t'Decides on mail: no network connection, no database'
agent\t'Keeps the ledger, verifies, unwraps, tells of trouble'"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand run" -s f -d 'Accepted and ignored: the program always stays in the foreground'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand check" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand check" -l print -d 'Print the effective configuration, secrets masked'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand check" -l json -d 'Print problems as JSON'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand check" -l reload -d 'Fail also where the program that runs would refuse the configuration: what systemctl reload asks first'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand check" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand init-key" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand init-key" -l key-file -d 'Write to this file instead of the one that the configuration names' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand init-key" -l rotate -d 'Put a new key before those that are there. The old ones still verify'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand init-key" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l address -d 'A recruiting address; can be given several times' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l inbound -d 'The address at which the recruiting system takes mail. The system tells you' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l system -d 'A word for the recruiting system, as it will stand in logs. Without it: by the inbound address' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l next-hop -d 'Where Postfix sends the system\'s mail instead of the MX of its inbound address: `[mx.example]:25`' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l domain -d 'A domain of colleagues; can be given several times. Without it: those of the recruiting addresses' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l alerts -d 'Who hears when mail stops arriving' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l restart -d 'How the running program is made to read its configuration, where systemd does not run it' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l config-dir -d 'Postfix\'s configuration folder, where it is not the system\'s' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -s y -l yes -d 'Do it without asking'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -l dry-run -d 'Show what would be done, and do nothing'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand setup" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -l config-dir -d 'Postfix\'s configuration folder, where it is not the system\'s' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -l apply -d 'Make the changes, after showing them. Nothing changes where nothing has to'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -l remove -d 'Take the changes back; without --config-dir in all Postfix instances of this host'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -l check -d 'Compare with what Postfix has; exit code 1 if something is missing or in the way'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand postfix" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -f -a "add" -d 'Make a login with a password of its own, and show what to type into the recruiting system'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -f -a "list" -d 'Show the logins of the file, and what they may send as'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -f -a "rotate" -d 'Give a login a new password; the old one ends'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -f -a "remove" -d 'Take a login away'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and not __fish_seen_subcommand_from add list rotate remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -l users -d 'The passwd-file that Dovecot reads. Without it: dovecot-users beside the configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -l host -d 'The server that the recruiting system connects to, by the name in its certificate. Without it: Postfix\'s myhostname' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -l lang -d 'The language of the settings page. auto: by the configuration or the locale, else both' -r -f -a "de\t''
en\t''
auto\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -l json -d 'Print JSON, with the password in it'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from list" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from list" -l users -d 'The passwd-file that Dovecot reads. Without it: dovecot-users beside the configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -l users -d 'The passwd-file that Dovecot reads. Without it: dovecot-users beside the configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -l host -d 'The server that the recruiting system connects to, by the name in its certificate. Without it: Postfix\'s myhostname' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -l lang -d 'The language of the settings page. auto: by the configuration or the locale, else both' -r -f -a "de\t''
en\t''
auto\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -l json -d 'Print JSON, with the password in it'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from rotate" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from remove" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from remove" -l users -d 'The passwd-file that Dovecot reads. Without it: dovecot-users beside the configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from remove" -l yes -d 'Do not ask'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from help" -f -a "add" -d 'Make a login with a password of its own, and show what to type into the recruiting system'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show the logins of the file, and what they may send as'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from help" -f -a "rotate" -d 'Give a login a new password; the old one ends'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Take a login away'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand login; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand doctor" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand doctor" -l config-dir -d 'Postfix\'s configuration folder, where it is not the system\'s' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand doctor" -s v -l verbose -d 'Show the stable names of what is wrong'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand doctor" -l json -d 'Print JSON'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l host -d 'The server for outgoing mail' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l port -d 'Its port: 465 with ssl, 587 with starttls' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l tls -d 'The encryption. What settings pages call "SSL" is ssl, what they call "TLS" is mostly starttls' -r -f -a "ssl\t'TLS from the first byte'
starttls\t'Begun in plain text, then encrypted'
none\t'Not encrypted'"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l user -d 'The user name' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l from -d 'The recruiting address, which sends' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l to -d 'Send a real mail to this address' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l password-file -d 'A file whose first line is the password' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l ca -d 'Certificates (PEM) of the authorities to believe, in place of the system\'s' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l claim-ip -d 'Test as if from this address too, where the server allows it (XCLIENT); can be given several times' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l timeout -d 'How long each step may take; the whole takes at most four times that, and as long again for each --claim-ip' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -l json -d 'Print JSON'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand smtp-test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l via -d 'Give the probe to this server instead of `[verify] via`' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l timeout -d 'How long to follow a probe, in seconds' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l config-dir -d 'Postfix\'s configuration folder, where it is not the system\'s' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l all -d 'All addresses of the configuration, patterns apart'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l force -d 'Send a probe though the last one was less than five minutes ago'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -l json -d 'Print one JSON object for each address'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand status" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand status" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand status" -l monitor -d 'One line and the exit codes of monitoring plugins (Nagios, Icinga)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand status" -l json -d 'Print JSON'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand trace" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand trace" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand trace" -l json -d 'Print JSON: one object a copy and line'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand trace" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l address -d 'Of this recruiting address; `@acme.example` for a whole domain' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l system -d 'For this recruiting system' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l state -d 'In this state, a word of recruit-milter-words(7): diverted, unwrapping, handed-over, delayed, delivered, failed, kept, returned, to-person, given-up, merged, probe-arrived; can be given several times' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l kind -d 'Of this kind: application, reply, probe, system-test ...' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l since -d 'Not older: 24h, 7d, 2026-11-25' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l until -d 'Older than this' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l limit -d 'At most so many, the newest' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l lang -d 'The language; without it, that of the configuration or the locale' -r -f -a "de\t''
en\t''"
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -s f -l follow -d 'Go on and show what changes'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -l json -d 'Print JSON: one object a line'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand list" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -l address -d 'The recruiting address, where the mail does not tell' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -l token -d 'The token of the copy that failed: what becomes of it is known under the same name then' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -l force -d 'Send it though its copy was delivered already: the system gets it twice'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -l dry-run -d 'Say what would be sent, and send nothing'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand resend" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and not __fish_seen_subcommand_from find erase fields help" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and not __fish_seen_subcommand_from find erase fields help" -f -a "find" -d 'What is kept of somebody: his copies, as JSON lines'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and not __fish_seen_subcommand_from find erase fields help" -f -a "erase" -d 'Take out of the ledger who his copies are of. That there were copies stays'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and not __fish_seen_subcommand_from find erase fields help" -f -a "fields" -d 'What is kept of a mail at all, and for how long'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and not __fish_seen_subcommand_from find erase fields help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from find" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from find" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from erase" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from erase" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from fields" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from fields" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from help" -f -a "find" -d 'What is kept of somebody: his copies, as JSON lines'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from help" -f -a "erase" -d 'Take out of the ledger who his copies are of. That there were copies stays'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from help" -f -a "fields" -d 'What is kept of a mail at all, and for how long'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand subject; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand export" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand export" -l since -d 'Copies not older than this: 7d, 2026-11-25' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand export" -l until -d 'Copies older than this' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand export" -l events -d 'With all that happened to each copy'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand export" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -s c -l config -d 'The configuration file' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l from -d 'The envelope sender; empty for the null sender. Without it, Return-Path or From of the file' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l rcpt -d 'A recipient; can be given several times. Without it, the recruiting addresses that the message names, or the first of the configuration; with --login and outgoing mail configured, those in To and Cc' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l client -d 'The client\'s IP address' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l login -d 'The SASL user name: as if a colleague had logged in; or a recruiting system, whose mail is then checked as on its way out' -r
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l summary -d 'Print counts only'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -l json -d 'Print JSON; of several messages, one object a line'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand explain" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand man" -l out -d 'Write all pages into this folder' -r -F
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand man" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand completions" -s h -l help -d 'Print help'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "run" -d 'Run the milter (in the foreground; what systemd starts)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "check" -d 'Test the configuration: everything that is wrong with it, at once'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "init-key" -d 'Make the secret key that tokens and seals are signed with, or add a new one'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "setup" -d 'From nothing to verified: configuration, key, Postfix, and a test of all of it'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "postfix" -d 'Show what goes into Postfix\'s main.cf and master.cf; apply or remove it'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "login" -d 'Logins for recruiting systems: to send with, from anywhere, and to open no mailbox'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "doctor" -d 'Look at everything on the way of an application: what is wrong, and what to do about it'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "smtp-test" -d 'Step through SMTP settings as a recruiting system would use them; say what is wrong with them'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "verify" -d 'Send a probe to recruiting addresses and follow it hop by hop: is it verified?'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "status" -d 'A line for each recruiting address: is it verified, and what became of its mail?'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "trace" -d 'The life of a mail in time order'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "list" -d 'Copies and what became of them'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "resend" -d 'Send the copy of a mail to its recruiting system once more'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "subject" -d 'What the ledger has of somebody, and taking it out'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "export" -d 'The ledger as JSON lines'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "explain" -d 'Say what would happen to a message, and why'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "man" -d 'Print a manual page, or write all of them'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "completions" -d 'Print a shell\'s completions of this command line'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and not __fish_seen_subcommand_from run check init-key setup postfix login doctor smtp-test verify status trace list resend subject export explain man completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from login" -f -a "add" -d 'Make a login with a password of its own, and show what to type into the recruiting system'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from login" -f -a "list" -d 'Show the logins of the file, and what they may send as'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from login" -f -a "rotate" -d 'Give a login a new password; the old one ends'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from login" -f -a "remove" -d 'Take a login away'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from subject" -f -a "find" -d 'What is kept of somebody: his copies, as JSON lines'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from subject" -f -a "erase" -d 'Take out of the ledger who his copies are of. That there were copies stays'
complete -c recruit-milter -n "__fish_recruit_milter_using_subcommand help; and __fish_seen_subcommand_from subject" -f -a "fields" -d 'What is kept of a mail at all, and for how long'
