//! The causes in German. `{host}`, `{port}`, `{user}` and `{from}` are filled in.
// SPDX-License-Identifier: GPL-3.0-or-later

use super::Text;
use crate::smtp_test::Cause;

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn cause(cause: Cause) -> Text {
    let (title, meaning, remedies): (_, _, &[&str]) = match cause {
        Cause::UnknownHost => (
            "einen Server dieses Namens gibt es nicht",
            "Zu {host} ist keine Adresse bekannt.",
            &["den Namen Buchstabe für Buchstabe mit der Angabe des Anbieters vergleichen"],
        ),
        Cause::NoResolver => (
            "der Name des Servers lässt sich gerade nicht nachschlagen",
            "Kein Nameserver hat geantwortet. Über die Einstellungen sagt das nichts.",
            &["die Nameserver dieser Maschine prüfen:  getent hosts {host}"],
        ),
        Cause::ConnectionRefused => (
            "an diesem Port nimmt niemand an",
            "Die Maschine {host} ist da und lehnt Verbindungen zu Port {port} ab.",
            &[
                "Port 587 mit STARTTLS oder Port 465 mit SSL verwenden",
                "am eigenen Server: Steht der Dienst in master.cf, und läuft Postfix?",
            ],
        ),
        Cause::ConnectionTimeout => (
            "dieser Port antwortet nicht",
            "Eine Firewall verwirft die Verbindung, oder die Maschine ist aus. Viele Netze sperren Port 25.",
            &[
                "Port 587 mit STARTTLS oder Port 465 mit SSL verwenden",
                "die Firewall muss Port {port} von überall zulassen: Die Adressen eines Recruiting-Systems wechseln",
            ],
        ),
        Cause::Unreachable => (
            "von hier führt kein Weg zum Server",
            "Das Netz meldet, dass {host} nicht erreichbar ist.",
            &[
                "Routen und Firewall dieser Maschine prüfen",
                "ist es eine IPv6-Adresse: Hat diese Maschine IPv6?",
            ],
        ),
        Cause::Disconnected => (
            "die Verbindung wurde getrennt",
            "Der Server oder eine Firewall davor hat die Verbindung ohne ein Wort beendet.",
            &[
                "im Log des Servers nach dieser Uhrzeit suchen",
                "falls eine Firewall SMTP prüft: für Port {port} abschalten",
            ],
        ),
        Cause::Silence => (
            "der Server sagt nichts",
            "Er hat die Verbindung oder den Befehl angenommen und nicht rechtzeitig geantwortet. Vielleicht steht eine Firewall dazwischen, oder der Server wartet auf etwas anderes.",
            &[
                "eine andere Verschlüsselung versuchen: SSL gehört zu Port 465, STARTTLS zu 587",
                "im Log des Servers nach dieser Uhrzeit suchen",
            ],
        ),
        Cause::TooSlow => (
            "der Server antwortet zu langsam",
            "Es kamen Worte, aber keine ganze Antwort innerhalb der Frist. Manche Server bremsen, wem sie misstrauen (Tarpit). Länger wartet ein Recruiting-System auch nicht.",
            &[
                "wer sich anmeldet, darf nicht gebremst werden: kein Tarpit an den Ports 587 und 465",
                "mit längerem --timeout noch einmal testen, um zu sehen, was er am Ende sagt",
            ],
        ),
        Cause::NotSmtp => (
            "das ist kein SMTP-Server",
            "An diesem Port wird ein anderes Protokoll gesprochen, oder etwas dazwischen antwortet an Stelle des Servers.",
            &[
                "Port 587 oder 465 des Servers für ausgehende Mails verwenden, nicht den für IMAP, POP3 oder das Web",
            ],
        ),
        Cause::Busy => (
            "der Server nimmt gerade niemanden an",
            "Das sagt er selbst; er ist wohl überlastet oder wird gewartet.",
            &["in einigen Minuten noch einmal testen"],
        ),
        Cause::TlsExpected => (
            "der Port erwartet TLS vom ersten Byte an",
            "Port {port} ist einer für SSL/TLS (implizites TLS); eingestellt ist STARTTLS oder keine Verschlüsselung. Jeder wartet auf den anderen.",
            &[
                "als Verschlüsselung SSL wählen (hier: --tls ssl), oder Port 587 mit STARTTLS verwenden",
            ],
        ),
        Cause::PlainExpected => (
            "der Port beginnt nicht mit TLS",
            "Port {port} spricht zuerst Klartext, wie für STARTTLS; eingestellt ist SSL.",
            &[
                "als Verschlüsselung TLS oder STARTTLS wählen (hier: --tls starttls), oder Port 465 mit SSL verwenden",
            ],
        ),
        Cause::NoStartTls => (
            "der Server bietet kein STARTTLS an",
            "Die Verbindung lässt sich nicht verschlüsseln, und ein Passwort gehört nicht darüber.",
            &[
                "Port 465 mit SSL verwenden, wenn der Server ihn hat",
                "am eigenen Postfix: smtpd_tls_security_level = may, mit smtpd_tls_cert_file und smtpd_tls_key_file",
            ],
        ),
        Cause::StartTlsStripped => (
            "etwas dazwischen nimmt STARTTLS aus den Antworten des Servers",
            "Der Server kann STARTTLS, und sein Angebot kommt hier nicht an. Das tut eine Firewall, die SMTP umschreibt („SMTP inspection“, „fixup“), und das tut ein Angreifer. Das Passwort wurde nicht gesendet.",
            &[
                "die SMTP-Prüfung in der Firewall abschalten",
                "Port 465 mit SSL verwenden, dort lässt sich nichts herausnehmen",
            ],
        ),
        Cause::StartTlsRefused => (
            "der Server bietet STARTTLS an und lehnt es dann ab",
            "Sein Zertifikat oder Schlüssel ist nicht lesbar, oder TLS ist dort gestört.",
            &[
                "im Log des Servers nachsehen; am eigenen Postfix: smtpd_tls_cert_file und smtpd_tls_key_file prüfen",
            ],
        ),
        Cause::TlsFailed => (
            "es kommt keine TLS-Verbindung zustande",
            "Beide Seiten haben keine Version oder kein Verfahren gemeinsam (TLS 1.2 ist das älteste, das versucht wird), oder der Aufbau brach ab.",
            &[
                "der Server muss TLS 1.2 oder neuer sprechen",
                "im Log des Servers nach dieser Uhrzeit suchen",
            ],
        ),
        Cause::NotTrusted => (
            "dem Zertifikat ist nicht zu trauen",
            "Keine bekannte Zertifizierungsstelle steht dahinter, oder der Server sendet das Zwischenzertifikat nicht mit.",
            &[
                "der Server muss die ganze Kette senden: Die Datei der Zertifizierungsstelle heißt oft fullchain.pem",
                "ein Zertifikat einer öffentlichen Stelle verwenden: Ein Recruiting-System kennt keine andere",
            ],
        ),
        Cause::SelfSigned => (
            "das Zertifikat ist selbst signiert",
            "Niemand bürgt dafür. Ein Recruiting-System lehnt es ab und kann es nicht von dem eines Angreifers unterscheiden.",
            &["ein Zertifikat einer öffentlichen Stelle verwenden, etwa von Let's Encrypt"],
        ),
        Cause::Expired => (
            "das Zertifikat ist abgelaufen",
            "Es gilt nicht mehr.",
            &[
                "es erneuern und den Server neu starten oder neu laden: Er zeigt sonst noch das alte",
            ],
        ),
        Cause::NotYetValid => (
            "das Zertifikat gilt noch nicht",
            "Sein erster Tag liegt in der Zukunft, oder die Uhr dieser Maschine geht falsch.",
            &["die Uhr dieser Maschine vergleichen:  date -u"],
        ),
        Cause::WrongName => (
            "das Zertifikat gilt für einen anderen Namen",
            "{host} ist nicht unter den Namen darin.",
            &[
                "einen der Namen des Zertifikats als Server eintragen",
                "oder ein Zertifikat beschaffen, in dem {host} steht",
            ],
        ),
        Cause::BadCertificate => (
            "das Zertifikat ist nicht zu gebrauchen",
            "Es taugt nicht für einen Server, oder eines in seiner Kette taugt nicht.",
            &["ein neues Zertifikat einer öffentlichen Stelle beschaffen"],
        ),
        Cause::EncryptionRequired => (
            "der Server verlangt zuerst Verschlüsselung",
            "Über eine offene Verbindung nimmt er weder Anmeldung noch Mail an.",
            &[
                "als Verschlüsselung TLS oder STARTTLS wählen (hier: --tls starttls), oder Port 465 mit SSL verwenden",
            ],
        ),
        Cause::NoLogin => (
            "der Server bietet hier keine Anmeldung an",
            "Dieser Port ist nicht für Absender mit Benutzername und Passwort gedacht, oder Anmeldungen sind abgeschaltet.",
            &[
                "Port 587 oder 465 verwenden; Port 25 ist für Mail zwischen Servern",
                "am eigenen Postfix: smtpd_sasl_auth_enable=yes bei diesem Dienst",
            ],
        ),
        Cause::NoPasswordLogin => (
            "der Server nimmt keine Anmeldung mit Passwort an",
            "Nichts von dem, was er anbietet, geht allein mit Benutzername und Passwort (OAuth, Zertifikate, Challenge-Verfahren). Anderes kennen Recruiting-Systeme nicht.",
            &[
                "der Server muss PLAIN oder LOGIN anbieten, oder ein App-Passwort ist anzulegen",
                "oder den eigenen Server mit einer eigenen Anmeldung verwenden:  recruit-milter login add",
            ],
        ),
        Cause::MailboxHasNoLogin => (
            "die SMTP-Anmeldung ist für dieses Postfach abgeschaltet",
            "Microsoft 365: Freigegebene Postfächer haben keine eigene Anmeldung, und bei anderen kann „Authentifiziertes SMTP“ abgeschaltet sein.",
            &[
                "ist {user} ein freigegebenes Postfach: mit einem lizenzierten Benutzer anmelden, der für {from} „Senden als“ darf",
                "sonst im Admin Center: Benutzer, {user}, E-Mail, E-Mail-Apps verwalten, Authentifiziertes SMTP",
                "oder den eigenen Server mit einer eigenen Anmeldung verwenden:  recruit-milter login add",
            ],
        ),
        Cause::LoginOffForAll => (
            "die SMTP-Anmeldung ist für die ganze Organisation abgeschaltet",
            "Microsoft 365 nimmt hier von Programmen keinen Benutzernamen mit Passwort an.",
            &[
                "fragen, wer Microsoft 365 verwaltet: Set-TransportConfig -SmtpClientAuthenticationDisabled $false, wo das noch geht",
                "oder den eigenen Server mit einer eigenen Anmeldung verwenden:  recruit-milter login add",
            ],
        ),
        Cause::ProgramsRefused => (
            "der Anbieter lehnt Anmeldungen anderer Programme ab",
            "Microsoft 365 lehnt Benutzername und Passwort von Programmen ab: durch Sicherheitsstandards, bedingten Zugriff, oder weil das Konto zwei Faktoren hat. Ein falsches Passwort kann dieselbe Antwort bekommen.",
            &[
                "einmal als {user} im Webmail anmelden, um des Passworts sicher zu sein",
                "fragen, wer Microsoft 365 verwaltet: App-Passwort oder Ausnahme für authentifiziertes SMTP",
                "oder den eigenen Server mit einer eigenen Anmeldung verwenden:  recruit-milter login add",
            ],
        ),
        Cause::AppPassword => (
            "es braucht ein App-Passwort",
            "Der Anbieter nimmt von Programmen nicht das eigene Passwort des Benutzers. Google: Den Schalter für „weniger sichere Apps“ gibt es nicht mehr, es geht ein App-Passwort (16 Buchstaben), und das setzt die Bestätigung in zwei Schritten voraus. Ein falsches Passwort bekommt dieselbe Antwort.",
            &[
                "für {user} ein App-Passwort anlegen und eintragen: bei Google unter myaccount.google.com/apppasswords",
                "bei anderen Anbietern: in den Einstellungen des Kontos den Zugriff durch Mailprogramme (SMTP, POP3, IMAP) erlauben",
            ],
        ),
        Cause::WrongPassword => (
            "Benutzername oder Passwort ist falsch",
            "Der Server kennt dieses Paar nicht. Oft ist der Benutzername ein Alias oder ohne Domain, und die Anmeldung heißt anders.",
            &[
                "das Passwort noch einmal kopieren, ohne Leerzeichen davor und danach",
                "die Hauptadresse des Kontos als Benutzername versuchen, oder den Namen ohne Domain",
                "am eigenen Server:  recruit-milter login list  zeigt die Anmeldungen,  login rotate  macht ein neues Passwort",
            ],
        ),
        Cause::Locked => (
            "das Konto ist gesperrt oder wurde zu oft versucht",
            "Der Server sieht das Passwort gerade gar nicht an.",
            &[
                "eine Stunde warten, und nichts anderes darf es mit einem alten Passwort versuchen",
                "den Anbieter bitten, {user} zu entsperren",
            ],
        ),
        Cause::LoginUnavailable => (
            "der Server kann Anmeldungen gerade nicht prüfen",
            "Was er nach Passwörtern fragt, antwortet nicht. Benutzername und Passwort können stimmen.",
            &[
                "in einigen Minuten noch einmal testen",
                "am eigenen Server: Läuft Dovecot (oder saslauthd), und darf Postfix an dessen Socket?",
            ],
        ),
        Cause::LoginRequired => (
            "der Server sagt, niemand sei angemeldet",
            "Er lässt diese Anmeldung zum Senden nicht gelten, oder dieser Dienst kennt keine.",
            &[
                "Port 587 oder 465 verwenden",
                "am eigenen Postfix: permit_sasl_authenticated in smtpd_relay_restrictions dieses Dienstes",
            ],
        ),
        Cause::MayNotSendAs => (
            "diese Anmeldung darf nicht als diese Adresse senden",
            "Die Anmeldung {user} geht, und {from} ist nicht unter den Adressen, die sie verwenden darf.",
            &[
                "Microsoft 365: {user} die Berechtigung „Senden als“ für {from} geben; es dauert bis zu einer Stunde",
                "Google und andere: {from} im Konto als Absenderadresse oder Alias hinzufügen",
                "am eigenen Server mit recruit-milter: addresses in [login.\"{user}\"]",
                "oder {from} selbst als Benutzername eintragen",
            ],
        ),
        Cause::ClientRefused => (
            "der Server lehnt die Adresse ab, von der die Mail kommt",
            "Er lässt nach IP-Adresse zu, oder die Adresse steht auf einer Sperrliste. Die Adressen eines Recruiting-Systems sind viele und wechseln.",
            &[
                "nach Anmeldung zulassen und nicht nach IP-Adresse: permit_sasl_authenticated vor jeder Regel über Clients",
                "steht die Adresse auf einer Sperrliste: die Ports 587 und 465 dürfen sie nicht fragen",
            ],
        ),
        Cause::RelayDenied => (
            "der Server gibt keine Mail an andere Domains weiter",
            "Für diese Anmeldung oder diesen Client nimmt er nur Mail an die eigenen Domains.",
            &[
                "Port 587 oder 465 mit Anmeldung verwenden",
                "am eigenen Postfix: permit_sasl_authenticated in smtpd_relay_restrictions",
            ],
        ),
        Cause::SenderUnknown => (
            "der Server nimmt die Absenderadresse nicht an",
            "Er sagt, {from} oder die Domain gebe es nicht.",
            &[
                "ist {from} richtig geschrieben, und gibt es ein Postfach oder einen Alias dieses Namens?",
            ],
        ),
        Cause::RecipientRefused => (
            "der Server nimmt den Empfänger nicht an",
            "Den Empfänger gibt es dort nicht, oder er nimmt keine Mail an. Die Einstellungen können stimmen.",
            &["mit einem anderen --to testen"],
        ),
        Cause::TooLarge => (
            "die Mail ist dem Server zu groß",
            "Er nimmt nur kleinere Mails an, oder es fehlt ihm an Platz.",
            &["am eigenen Postfix: message_size_limit"],
        ),
        Cause::Later => (
            "der Server sagt: jetzt nicht, vielleicht später",
            "Das kann Greylisting sein, eine volle Platte oder eine Grenze. Ob ein Recruiting-System es noch einmal versucht, ist nicht gesagt.",
            &[
                "in einigen Minuten noch einmal testen",
                "wer sich anmeldet, darf nicht ins Greylisting",
            ],
        ),
        Cause::Content => (
            "der Server lehnt den Inhalt oder die Herkunft der Mail ab",
            "Ein Filter gegen Spam, Viren oder gefälschte Absender (DMARC) steht im Weg.",
            &[
                "im Log des Filters nachsehen",
                "darf der Server für die Domain von {from} senden (SPF, DKIM)?",
            ],
        ),
        Cause::Limit => (
            "eine Grenze beim Senden ist erreicht",
            "Der Anbieter nimmt von dieser Anmeldung vorerst keine Mails oder Verbindungen mehr an.",
            &["das Ende des Zeitraums abwarten", "den Anbieter um eine höhere Grenze bitten"],
        ),
        Cause::Refused => (
            "der Server lehnt ab",
            "Warum, steht oben in seinen eigenen Worten.",
            &["im Log des Servers nach dieser Uhrzeit suchen"],
        ),
    };
    Text { title, meaning, remedies }
}
