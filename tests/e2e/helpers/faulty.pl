#!/usr/bin/env perl
# SPDX-License-Identifier: BSD-2-Clause
# faulty.pl FAULT [ids]: a helper for external ACLs with the fault of that name; what it has no fault in it
# answers with OK. ids: questions begin with a channel number. Perl, since many are started at a time.
use strict;
use warnings;

# What it writes to a question.
my %says = (
	twice        => "OK\nOK\n",
	channel      => "123456789 OK\n",
	no_id        => "OK\n",
	an_id        => "7 OK\n",
	minus        => "-1 OK\n",
	zeros        => "0001 OK\n",
	huge         => "99999999999999999999 OK\n",
	letters      => "1x OK\n",
	nul          => "OK user=a\0b\n",
	crlf         => "OK\r\n",
	colours      => "OK user=\e[31mred\n",
	empty        => "\n",
	lower        => "ok\n",
	okay         => "OKAY\n",
	blank        => "OK \n",
	quote        => "OK user=\"joe\n",
	nameless     => "OK =v user= tag=\n",
	many         => "OK " . join(" ", map { "k$_=v" } 1 .. 10000) . "\n",
	escaped      => "OK user=a%0d%0aX-Evil:%201\n",
	newline      => "OK user=\"a\\nb\"\n",
	endless_user => "OK user=" . "u" x (1 << 20) . "\n",
	ttl          => "OK ttl=-1\n",
	reserved     => "OK clt_conn_id_=1 secret_=2\n",
	trouble      => "BH message=no\n",
	nonsense     => "*&%\$\n",
);

sub write_for_ever { my $text = shift() x 4096; 1 while syswrite(STDOUT, $text); exit }
sub wait_long { sleep 600; exit }

# What ends it, or keeps it from going on.
my %ends = (
	never     => \&wait_long,
	half      => sub { print "OK"; exit },
	crash     => sub { kill SEGV => $$; wait_long() },
	killed    => sub { kill KILL => $$; wait_long() },
	long_line => sub { syswrite(STDOUT, "x" x (10 << 20)); wait_long() },
	no_line   => sub { write_for_ever("x") },
	lines     => sub { write_for_ever("OK\n") },
	closes    => sub { close STDIN; close STDOUT; wait_long() },
	closes_output => sub { close STDOUT; wait_long() },
	spins     => sub { 1 while 1 },
	forks     => sub { fork ? exit : wait_long() },
	deaf      => \&wait_long, # to all that comes behind
);

# What a rewriter says to the URL of that name.
my %rewrites = (
	script    => "rewrite-url=javascript:alert(1)",
	file      => "rewrite-url=file:///etc/passwd",
	blanks    => "rewrite-url=\"http://w.example/2 HTTP/1.1\"",
	breaks    => "rewrite-url=\"http://w.example/2\\r\\nX-Evil: 1\"",
	long      => "rewrite-url=http://w.example/" . "x" x 60000,
	elsewhere => "rewrite-url=http://nobody.example/2",
	status    => "status=200 url=http://w.example/2",
	nostatus  => "status=-1 url=http://w.example/2",
	huge      => "rewrite-url=http://w.example/" . "x" x (1 << 20),
	good      => "rewrite-url=http://w.example/2?good",
);

my ($fault, $ids) = (@ARGV, "");
$| = 1;
print "ready\n" if $fault eq "banner";
exit if $fault eq "exits";
die "no licence found\n" if $fault eq "fails";
$SIG{TERM} = "IGNORE" if $fault eq "stays";

for (my $n = 1; defined(my $question = <STDIN>); $n++) {
	my $prefix = $ids ? (split / /, $question)[0] . " " : "";

	$ends{$fault}->() if $ends{$fault};
	select undef, undef, undef, 2.5 if $fault eq "late" && $n == 1;
	select undef, undef, undef, 0.2 if $fault eq "slow";
	print STDERR "x" x 100, "\n", ("noise" x 2000 . "\n") x 200 if $fault eq "shouts";
	print "1 OK\n" if $fault eq "again" && $n == 2;
	if ($fault eq "disorder") { # the second one first; every other question is refused
		my @both = map { my ($id) = split / /; $id . (m{disorder/[13579]} ? " ERR\n" : " OK\n") } $question, scalar <STDIN>;
		print reverse @both;
	} elsif ($fault eq "ahead") { # is there one more already?
		vec(my $input = "", fileno(STDIN), 1) = 1;
		print select($input, undef, undef, 0.1) ? "ERR\n" : "OK\n";
	} elsif ($fault eq "turns") {
		print $n % 2 ? "ERR\n" : "OK\n";
	} elsif ($fault eq "rewrites") {
		print "OK $rewrites{$question =~ m{\?rewrite-(\w+)} ? $1 : 'good'}\n";
	} elsif ($fault eq "pieces") {
		syswrite(STDOUT, $_) for split //, $prefix . "OK\n";
	} elsif ($fault eq "descriptors") {
		opendir my $folder, "/proc/self/fd";
		print "OK user=", scalar(grep { /^\d+$/ } readdir $folder) - 1, "\n"; # without that one
	} else {
		print $says{$fault} // $prefix . "OK\n";
	}
}
wait_long() if $fault eq "stays";
