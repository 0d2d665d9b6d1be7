/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/process/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEND_WAIT_MS = 5000 };

struct head {
	int64_t value;
	uint32_t kind;
};

union control_bytes {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int[CHANNEL_MAX_FDS]))];
};

bool channel_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0;
}

static void attach(struct msghdr *message, union control_bytes *control, const int *fds,
                   unsigned nfds)
{
	size_t bytes = nfds * sizeof(int);

	if (nfds == 0)
		return;
	memset(control, 0, sizeof(*control));
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(bytes);
	control->head = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(bytes), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control->head), fds, bytes);
}

static bool send_or_wait(int end, const struct msghdr *message, bool may_wait)
{
	struct pollfd wait = {.fd = end, .events = POLLOUT};

	for (;;) {
		if (sendmsg(end, message, MSG_NOSIGNAL) >= 0)
			return true;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || !may_wait || poll(&wait, 1, SEND_WAIT_MS) <= 0)
			return false;
	}
}

bool channel_send(int end, enum channel_kind kind, int64_t value, const char *text, const int *fds,
                  unsigned nfds)
{
	struct head head = {value, kind};
	size_t len = text ? strnlen(text, CHANNEL_MAX_TEXT) : 0;
	struct iovec parts[] = {{&head, sizeof(head)}, {(char *)(uintptr_t)text, len}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	union control_bytes control;

	attach(&message, &control, fds, nfds);
	return send_or_wait(end, &message, kind != CHANNEL_LOG);
}

static void take_fds(struct msghdr *message, struct channel_message *out)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);

	out->nfds = 0;
	if (!control || control->cmsg_type != SCM_RIGHTS || control->cmsg_level != SOL_SOCKET)
		return;
	out->nfds = (unsigned)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(out->fds, CMSG_DATA(control), out->nfds * sizeof(int));
}

int channel_receive(int end, struct channel_message *message)
{
	struct head head;
	struct iovec parts[] = {{&head, sizeof(head)}, {message->text, CHANNEL_MAX_TEXT}};
	union control_bytes control;
	struct msghdr from = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(end, &from, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < (ssize_t)sizeof(head) || head.kind >= CHANNEL_KINDS)
		return -1;
	message->kind = head.kind;
	message->value = head.value;
	message->text[(size_t)n - sizeof(head)] = '\0';
	take_fds(&from, message);
	return 1;
}
