# Tries what the services must not do, and prints a line for each: what, and whether it was "possible" or "denied".
use strict;
use warnings;
use Socket;

sub try_to {
    my ($what, $code) = @_;
    my $done = eval { $code->() } ? "possible" : "denied";
    print "$what: $done\n";
}

sub runs { my $pid = fork(); if (!$pid) { exec(@_) or exit(99) } waitpid($pid, 0); return $? == 0 }
sub writes { my $path = shift; open(my $file, '>', $path) or return 0; close $file; unlink $path; return 1 }

my $role = shift;
try_to('start a shell', sub { runs('/bin/sh', '-c', 'true') });
try_to('start a copy of its own', sub {
    writes("/var/lib/recruit-milter/x") or return 0;
    runs('/bin/cp', '/bin/true', '/var/lib/recruit-milter/x') and runs('/var/lib/recruit-milter/x');
});
try_to('write in /etc', sub { writes('/etc/recruit-milter/conf.d/x.toml') });
try_to('write in the queue', sub { writes('/var/spool/postfix/maildrop/x') });
try_to('write in /usr', sub { writes('/usr/x') });
try_to('read the key file', sub { open(my $file, '<', '/etc/recruit-milter/seal.key') });
try_to('read /root', sub { opendir(my $folder, '/root') });
try_to('read shadow', sub { open(my $file, '<', '/etc/shadow') });
try_to('see other processes', sub { -d '/proc/1' });
try_to('become root', sub { $> = 0; $> == 0 });
try_to('load a kernel module', sub { syscall(175, 0, 0, 0) == 0 });    # init_module
try_to('mount', sub { syscall(165, "none", "/tmp", "tmpfs", 0, 0) == 0 });
try_to('set the clock', sub { syscall(164, pack('qq', time, 0), 0) == 0 });    # settimeofday
try_to('listen on a packet socket', sub { socket(my $s, 17, SOCK_RAW, 0) });
try_to('open an internet socket', sub { socket(my $s, PF_INET, SOCK_STREAM, 0) });
try_to('reach port 25', sub {
    my $s;
    socket($s, PF_INET, SOCK_STREAM, 0) and connect($s, pack_sockaddr_in(25, inet_aton('127.0.0.1')));
});
try_to('write in its state folder', sub { writes('/var/lib/recruit-milter/x') });
try_to('reach the handoff socket', sub {
    my $s;
    socket($s, PF_UNIX, SOCK_STREAM, 0)
        and connect($s, pack_sockaddr_un('/var/spool/postfix/recruit-milter/handoff.sock'));
});
# From here on it would be another process.
try_to('trace itself', sub { syscall(101, 0, 0, 0, 0) == 0 });    # PTRACE_TRACEME
try_to('make a namespace', sub { syscall(272, 0x10000000) == 0 });    # unshare CLONE_NEWUSER
