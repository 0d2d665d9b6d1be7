#!/usr/bin/perl
# SPDX-License-Identifier: BSD-2-Clause
# Notes each question, byte by byte: noting.pl NOTES [ids] ANSWER [ANSWER], which it answers in turns.
# With NOTES alone it is a log daemon.
use strict;
use warnings;

my ($notes, @answers) = @ARGV;
my $has_ids = @answers && $answers[0] eq 'ids' && shift @answers;
my $turn = 0;
open(my $file, '>>', $notes) or die "$notes: $!";
binmode $_ for $file, *STDIN, *STDOUT;
chmod 0666, $notes;
while (my $line = <STDIN>) {
	my $id = $has_ids && $line =~ s/^(\d+ )// ? $1 : '';
	syswrite $file, ($id && 'ID ') . $line;
	syswrite STDOUT, $id . $answers[$turn++ % @answers] . "\n" if @answers;
}
