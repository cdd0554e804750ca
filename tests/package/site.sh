#!/bin/sh
# Makes a Debian that has just been installed a company's mail server, with a recruiting system's server beside
# it: Postfix for acme.example on 127.0.0.1, another for m-personio.de on 127.0.0.2, and their names in DNS.
set -eu
export DEBIAN_FRONTEND=noninteractive

printf '127.0.0.1 localhost\n127.0.1.1 mail.acme.example mail\n' > /etc/hosts
printf 'nameserver 127.0.0.1\n' > /etc/resolv.conf
hostname mail.acme.example
dnsmasq --no-resolv --no-hosts --listen-address=127.0.0.1 --bind-interfaces --pid-file=/run/dns.pid --user=root \
    --mx-host=acme.example,mail.acme.example --host-record=mail.acme.example,127.0.0.1 \
    --mx-host=m-personio.de,mx.m-personio.de --host-record=mx.m-personio.de,127.0.0.2

debconf-set-selections <<'EOF'
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string acme.example
EOF
apt-get install -y -qq --no-install-recommends postfix
useradd --create-home jobs
postconf -e 'mydestination = acme.example, localhost' 'inet_interfaces = loopback-only' 'inet_protocols = ipv4' \
    'home_mailbox = Maildir/' 'maillog_file = /var/log/mail.log' 'biff = no' 'alias_maps ='

postmulti -e init
postmulti -I postfix-ats -G mta -e create
d=/etc/postfix-ats
postconf -c $d -e 'myhostname = mx.m-personio.de' 'mydestination =' 'virtual_mailbox_domains = m-personio.de' \
    'virtual_mailbox_maps = inline:{ acme-jobs@m-personio.de=inbox/ }' 'virtual_mailbox_base = /var/mail/ats' \
    'virtual_uid_maps = static:65534' 'virtual_gid_maps = static:65534' 'master_service_disable =' \
    'inet_interfaces = 127.0.0.1' 'inet_protocols = ipv4' 'authorized_submit_users =' \
    'maillog_file = /var/log/ats.log'
postconf -c $d -MX smtp/inet
postconf -c $d -M 127.0.0.2:smtp/inet='127.0.0.2:smtp inet n - y - - smtpd'
postconf -c $d -M postlog/unix-dgram='postlog unix-dgram n - n - 1 postlogd'
postconf -M postlog/unix-dgram='postlog unix-dgram n - n - 1 postlogd'
install -d -o nobody /var/mail/ats
postmulti -i postfix-ats -e enable
postmulti -i postfix-ats -p start
systemctl restart postfix
