/* SPDX-License-Identifier: BSD-2-Clause */
#include "proxy/tls/ocsp_fetcher.h"

#include "lib/base/clock.h"
#include "lib/base/heap.h"
#include "lib/base/log.h"
#include "lib/net/resolver.h"
#include "lib/net/tls_certificate.h"
#include "lib/net/tls_ocsp.h"
#include "proxy/server.h"
#include "proxy/snapshot.h"
#include "proxy/tls/ocsp_exchange.h"
#include "proxy/tls/tls_table.h"
#include "squid-compat/config.h"
#include "squid-compat/ports.h"

enum {
	SLOTS = 4, /* questions at once */
	LOOK_MS = 1000,
	RETRY_S = 30,
	RETRY_MAX_S = 3600,
	MIN_FRESH_S = 60, /* unless the answer itself is shorter */
	QUESTION_MAX_BYTES = 4096,
};

enum state { NEW, STAPLED, STALE, BARE }; /* STALE: it failed, and the last answer holds; BARE: none does */

/* What is to be known about one certificate. */
struct job {
	struct tls_certificate *certificate; /* a reference */
	char *path;
	char url[TLS_OCSP_URL_BYTES]; /* empty: it names no responder */
	int64_t due_ms;
	unsigned nfailures; /* in a row */
	enum state state;
};

/* In the order of the ports and their certificates. */
struct jobs {
	struct job **at;
	size_t n;
};

struct slot {
	struct ocsp_exchange exchange;
	struct job *job;
};

struct ocsp_fetcher {
	struct server *server;
	struct loop *loop;
	struct resolver *resolver; /* NULL: not needed so far */
	struct timer timer;
	struct jobs jobs;
	struct slot slots[SLOTS];
};

/* ---- when */

int64_t ocsp_fetcher_fresh_s(int64_t from_s, int64_t until_s, int64_t now_s)
{
	int64_t half_s = (until_s - from_s) / 2, wait_s = from_s + half_s - now_s;

	if (wait_s < MIN_FRESH_S)
		wait_s = MIN_FRESH_S;
	if (wait_s > (until_s - now_s) / 2)
		wait_s = (until_s - now_s) / 2;
	if (wait_s > half_s) /* the clock is not set */
		wait_s = half_s;
	return wait_s > 1 ? wait_s : 1;
}

int64_t ocsp_fetcher_retry_s(unsigned n)
{
	int64_t wait_s = RETRY_S;

	while (n-- > 1 && wait_s < RETRY_MAX_S)
		wait_s *= 2;
	return wait_s < RETRY_MAX_S ? wait_s : RETRY_MAX_S;
}

static int64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

static void set_due(struct job *job, int64_t wait_s)
{
	job->due_ms = clock_mono_ms() + wait_s * 1000;
}

/* Until when what is stapled now holds; 0: it does not. */
static int64_t stapled_until_s(const struct job *job)
{
	struct tls_staple *staple = tls_certificate_staple(job->certificate);
	int64_t until_s = staple ? tls_staple_until_s(staple) : 0;

	tls_staple_unref(staple);
	return until_s > now_s() ? until_s : 0;
}

/* ---- what came of a question */

static void succeeded(struct job *job, struct tls_staple *staple)
{
	log_say(job->state == STAPLED ? 2 : 1,
	        "OCSP: what %s says of the certificate '%s' is stapled", job->url, job->path);
	job->state = STAPLED;
	job->nfailures = 0;
	set_due(job, ocsp_fetcher_fresh_s(tls_staple_from_s(staple), tls_staple_until_s(staple),
	                                  now_s()));
	tls_certificate_set_staple(job->certificate, staple);
}

static void failed(struct job *job, const char *why)
{
	enum state state = stapled_until_s(job) > 0 ? STALE : BARE;
	int64_t wait_s = ocsp_fetcher_retry_s(++job->nfailures);

	log_say(job->state == state ? 2 : 1,
	        "WARNING: OCSP: certificate '%s', asking %s: %s; %s; trying again in %d seconds",
	        job->path, job->url, why,
	        state == STALE ? "the last answer stays" : "nothing is stapled", (int)wait_s);
	job->state = state;
	set_due(job, wait_s);
}

static void answered(struct ocsp_exchange *exchange, struct str answer, const char *why)
{
	struct job *job = CONTAINER(exchange, struct slot, exchange)->job;
	struct tls_staple *staple;
	struct err_text fault = {""};

	if (!why && tls_ocsp_judge(job->certificate, answer, &staple, &fault) == ERR_OK)
		succeeded(job, staple);
	else
		failed(job, why ? why : fault.at);
}

/* ---- asking */

static void ask(struct slot *slot, struct job *job)
{
	struct err_text why = {"its address cannot be used"};
	struct buf question;

	buf_init(&question, QUESTION_MAX_BYTES);
	slot->job = job;
	if (tls_ocsp_ask(job->certificate, &question, &why) != ERR_OK ||
	    !ocsp_exchange_start(&slot->exchange, str_of(job->url), buf_str(&question)))
		failed(job, why.at);
	buf_fini(&question);
}

static bool is_asking(const struct ocsp_fetcher *fetcher, const struct job *job)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (fetcher->slots[i].job == job &&
		    !ocsp_exchange_is_idle(&fetcher->slots[i].exchange))
			return true;
	return false;
}

static struct slot *idle_slot(struct ocsp_fetcher *fetcher)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (ocsp_exchange_is_idle(&fetcher->slots[i].exchange))
			return &fetcher->slots[i];
	return NULL;
}

static void ask_what_is_due(struct ocsp_fetcher *fetcher)
{
	int64_t now_ms = clock_mono_ms();

	for (size_t i = 0; i < fetcher->jobs.n; i++) {
		struct job *job = fetcher->jobs.at[i];
		struct slot *slot;

		if (!job->url[0] || job->due_ms > now_ms || is_asking(fetcher, job))
			continue;
		slot = idle_slot(fetcher);
		if (!slot)
			return;
		ask(slot, job);
	}
}

/* ---- which certificates there are */

static void drop_job(struct ocsp_fetcher *fetcher, struct job *job)
{
	for (size_t i = 0; i < SLOTS; i++)
		if (fetcher->slots[i].job == job)
			ocsp_exchange_stop(&fetcher->slots[i].exchange);
	tls_certificate_unref(job->certificate);
	mem_free(job->path);
	mem_free(job);
}

/* One whose answer came with its file is asked about when that is half gone. */
static struct job *make_job(struct tls_certificate *certificate, const char *path)
{
	struct job *job = mem_zalloc(sizeof(*job));
	struct tls_staple *staple = tls_certificate_staple(certificate);

	job->certificate = tls_certificate_ref(certificate);
	job->path = mem_strdup(path);
	if (!tls_ocsp_responder(certificate, job->url))
		log_say(2, "OCSP: certificate '%s' names no responder", path);
	if (staple)
		set_due(job, ocsp_fetcher_fresh_s(tls_staple_from_s(staple),
		                                  tls_staple_until_s(staple), now_s()));
	tls_staple_unref(staple);
	return job;
}

static void drop_jobs(struct ocsp_fetcher *fetcher, struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		if (jobs->at[i])
			drop_job(fetcher, jobs->at[i]);
	mem_free(jobs->at);
}

/* Out of old, where it is likely to be at i. NULL: it is not there. */
static struct job *take_job(struct jobs *old, size_t i, const struct tls_certificate *certificate)
{
	for (size_t n = 0; n < old->n; n++, i++) {
		struct job *job = old->at[i % old->n];

		if (job && job->certificate == certificate) {
			old->at[i % old->n] = NULL;
			return job;
		}
	}
	return NULL;
}

static void add_port(struct jobs *jobs, struct jobs *old, const struct tls_port *entry)
{
	struct tls_certificate *certificate;
	const char *path;

	for (size_t i = 0; (certificate = tls_port_certificate(entry, i, &path)); i++) {
		struct job *job = take_job(old, jobs->n, certificate);

		jobs->at = mem_realloc(jobs->at, (jobs->n + 1) * sizeof(struct job *));
		jobs->at[jobs->n++] = job ? job : make_job(certificate, path);
	}
}

static void look_at_ports(struct ocsp_fetcher *fetcher, const struct snapshot *snapshot)
{
	const struct config *config = snapshot_config(snapshot);
	struct jobs old = fetcher->jobs;

	fetcher->jobs = (struct jobs){NULL, 0};
	for (const struct port *port = config->ports->first; port; port = port->next)
		if (config->tls_ocsp_fetch && port->is_tls)
			add_port(&fetcher->jobs, &old, snapshot->tls_ports[port->index]);
	drop_jobs(fetcher, &old);
}

static bool has_resolver(struct ocsp_fetcher *fetcher, const struct config *config)
{
	struct err_text why = {""};

	if (fetcher->resolver)
		return true;
	fetcher->resolver = server_make_resolver(config, fetcher->loop, &why);
	for (size_t i = 0; i < SLOTS; i++)
		fetcher->slots[i].exchange.resolver = fetcher->resolver;
	if (!fetcher->resolver)
		log_say(2, "OCSP: no names can be resolved: %s", why.at);
	return fetcher->resolver != NULL;
}

static void look(struct timer *timer)
{
	struct ocsp_fetcher *fetcher = CONTAINER(timer, struct ocsp_fetcher, timer);
	const struct snapshot *snapshot = fetcher->server->current;

	look_at_ports(fetcher, snapshot);
	if (fetcher->jobs.n > 0 && has_resolver(fetcher, snapshot_config(snapshot)))
		ask_what_is_due(fetcher);
	timer_set(fetcher->loop, timer, clock_mono_ms() + LOOK_MS);
}

/* ---- the whole */

struct ocsp_fetcher *ocsp_fetcher_create(struct server *server, struct loop *loop)
{
	struct ocsp_fetcher *fetcher = mem_zalloc(sizeof(*fetcher));

	fetcher->server = server;
	fetcher->loop = loop;
	for (size_t i = 0; i < SLOTS; i++) {
		fetcher->slots[i].exchange.loop = loop;
		fetcher->slots[i].exchange.done = answered;
	}
	timer_init(&fetcher->timer, look);
	timer_set(loop, &fetcher->timer, clock_mono_ms());
	return fetcher;
}

void ocsp_fetcher_destroy(struct ocsp_fetcher *fetcher)
{
	if (!fetcher)
		return;
	timer_cancel(&fetcher->timer);
	drop_jobs(fetcher, &fetcher->jobs);
	resolver_destroy(fetcher->resolver);
	mem_free(fetcher);
}
