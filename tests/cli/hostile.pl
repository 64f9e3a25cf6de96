#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# usage: hostile.pl [--port=N] [--good-health=MODEL] MODE
# An HTTP server that means no good, on the loopback (with --port: on every
# address); prints its port.  With --good-health /health and /v1/models are
# answered well, and only the rest is hostile.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $model) = (0, undef);
while (@ARGV && $ARGV[0] =~ /^--(port|good-health)=(.*)$/) {
	if ($1 eq 'port') { $port = $2 } else { $model = $2 }
	shift;
}
my $mode = shift // '';
my ($parent, $server) = (getppid, $$);
my $ok = "HTTP/1.1 200 OK\r\n";
my $block = 'x' x 16384;

sub body {
	my ($text, $type) = @_;
	return $ok . "Content-Type: " . ($type // 'application/json') .
		"\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
}

# ends when the client has gone, and with whoever started this
sub pour {
	my ($client, $head, $part, $pause) = @_;
	print $client $head;
	while (print $client $part) {
		$client->flush or last;
		select(undef, undef, undef, $pause) if $pause;
		last if getppid != $server;
	}
}

my $event = "data: {\"choices\":[{\"text\":\"x\"}]}\n\n";
my %answer = (
	'huge' => sub { pour($_[0], "${ok}Content-Length: 1000000000000\r\n\r\n", $block) },
	'endless' => sub {
		pour($_[0], "${ok}Transfer-Encoding: chunked\r\n\r\n", "4000\r\n$block\r\n");
	},
	'headers' => sub { pour($_[0], $ok, "A: " . 'b' x 60 . "\r\n") },
	'header' => sub { pour($_[0], "${ok}A: ", $block) },
	'slow' => sub { pour($_[0], "${ok}Content-Length: 100000\r\n\r\n", '{', 0.05) },
	'slow-headers' => sub { pour($_[0], 'HTTP/1.1 200 ', 'O', 0.05) },
	'silent' => sub { sleep 1 while getppid == $server },
	'closes' => sub { },
	'half' => sub { print { $_[0] } "${ok}Content-Length: 100\r\n\r\n{\"a\":" },
	'json' => sub { print { $_[0] } body('{"a":') },
	'deep' => sub { print { $_[0] } body('[' x 200000) },
	'deeper' => sub { print { $_[0] } body('{"data":' x 5000) },
	'nul' => sub { print { $_[0] } body("\0" x 1000) },
	'numbers' => sub { print { $_[0] } body('{"data":[{"id":1e9999}],"workers":-1e999,"status":1}') },
	'types' => sub { print { $_[0] } body('{"data":{"id":[]},"workers":"x","choices":{},"status":null}') },
	'continue' => sub { pour($_[0], '', "HTTP/1.1 100 Continue\r\n\r\n") },
	'redirect' => sub { print { $_[0] } "HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" },
	'gzip' => sub { print { $_[0] } "${ok}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx" },
	'no-http' => sub { print { $_[0] } "\x16\x03\x01 this is no HTTP\r\n\r\n" },
	'stream' => sub { pour($_[0], "${ok}Content-Type: text/event-stream\r\n\r\n", $event x 400) },
	'line' => sub { pour($_[0], "${ok}Content-Type: text/event-stream\r\n\r\ndata: ", $block) },
);
if (!$answer{$mode}) {
	print join(' ', sort keys %answer), "\n";
	exit 0;
}

sub serve {
	my ($client) = @_;
	my $request = '';
	while ($request !~ /\r\n\r\n/) {
		sysread($client, $request, 65536, length $request) or return;
	}
	if (defined $model && $request =~ m{^GET /(health|v1/models)}) {
		print $client body($1 eq 'health' ? '{"status":"ready"}'
			: "{\"object\":\"list\",\"data\":[{\"id\":\"$model\"}]}");
		return;
	}
	$answer{$mode}->($client);
}

my $listener = IO::Socket::INET->new(Listen => 512, ReuseAddr => 1, LocalPort => $port,
	LocalAddr => $port ? '0.0.0.0' : '127.0.0.1') or die "hostile.pl: $!\n";
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';
$| = 1;
print $listener->sockport, "\n";
open STDOUT, '>', '/dev/null';
my $wait = IO::Select->new($listener);
while (getppid == $parent) {
	$wait->can_read(1) or next;
	my $client = $listener->accept or next;
	my $child = fork // next;
	next if $child;
	close $listener;
	$client->autoflush(1);
	serve($client);
	exit 0;
}
