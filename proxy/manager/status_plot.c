/* SPDX-License-Identifier: BSD-2-Clause */
/* Plots as SVG within the page: an area or lines over the last hour at most. Colours are the style
 * sheet's. */
#include "lib/base/check.h"
#include "proxy/manager/status_html.h"
#include "proxy/manager/status_page.h"

enum { WIDTH = 600, HEIGHT = 150, TOP = 10, LEAST_SPAN_S = 300 };

typedef double value_fn(const struct statistics_point *point);

struct plot {
	const char *id, *title, *unit;
	double least_max; /* of the scale */
	value_fn *area, *line; /* line may be NULL */
	const char *area_name, *line_name;
};

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double smaller(double a, double b)
{
	return a < b ? a : b;
}

static double requests_per_s(const struct statistics_point *point)
{
	return point->length_us > 0 ? (double)point->requests * 1e6 / (double)point->length_us : 0;
}

static double errors_per_s(const struct statistics_point *point)
{
	return point->length_us > 0 ? (double)point->errors * 1e6 / (double)point->length_us : 0;
}

static double hit_percent(const struct statistics_point *point)
{
	return point->requests > 0 ? 100.0 * (double)point->hits / (double)point->requests : 0;
}

static double p99_ms(const struct statistics_point *point)
{
	return point->p99_us / 1000;
}

static double p50_ms(const struct statistics_point *point)
{
	return point->p50_us / 1000;
}

static const struct plot plots[] = {
	{.id = "plot-requests", .title = "Requests", .unit = "/s", .least_max = 1,
	 .area = requests_per_s, .area_name = "all", .line = errors_per_s, .line_name = "5xx"},
	{.id = "plot-hits", .title = "Hit ratio", .unit = "%", .least_max = 100,
	 .area = hit_percent, .area_name = "hits"},
	{.id = "plot-times", .title = "Answered within", .unit = "ms", .least_max = 0.1,
	 .area = p99_ms, .area_name = "99 %", .line = p50_ms, .line_name = "half"},
};

/* 1, 2 or 5 times a power of ten: what the scale ends with. */
static double round_up(double value)
{
	double top = 0.001;

	for (unsigned i = 0; top < value && i < 60; i++)
		top *= i % 3 == 1 ? 2.5 : 2;
	return top;
}

static double top_of(const struct plot *plot, const struct status *status)
{
	double max = plot->least_max;

	for (unsigned i = 0; i < status->npoints; i++) {
		max = larger(max, plot->area(&status->points[i]));
		if (plot->line)
			max = larger(max, plot->line(&status->points[i]));
	}
	return round_up(max);
}

struct frame {
	double top;
	double from_s, span_s; /* the time at its left */
};

static double x_of(const struct frame *frame, const struct statistics_point *point)
{
	return WIDTH * ((double)point->at_us / 1e6 - frame->from_s) / frame->span_s;
}

static double y_of(const struct frame *frame, double value)
{
	return HEIGHT - (HEIGHT - TOP) * smaller(value / frame->top, 1);
}

static void draw(struct buf *out, const struct status *status, const struct frame *frame,
		 value_fn *value, bool is_area)
{
	const struct statistics_point *points = status->points;
	unsigned n = status->npoints;

	if (n < 2)
		return;
	buf_printf(out, "<path class=\"%s\" d=\"", is_area ? "area" : "line");
	if (is_area)
		buf_printf(out, "M%.1f %d", x_of(frame, &points[0]), HEIGHT);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%c%.1f %.1f", i > 0 || is_area ? 'L' : 'M',
		           x_of(frame, &points[i]), y_of(frame, value(&points[i])));
	if (is_area)
		buf_printf(out, "L%.1f %dZ", x_of(frame, &points[n - 1]), HEIGHT);
	buf_add_str(out, STR("\"/>"));
}

static void write_value(struct buf *out, double value, const char *unit)
{
	buf_printf(out, value < 10 ? " %.2g&nbsp;%s" : " %.0f&nbsp;%s", value, unit);
}

static void write_legend(struct buf *out, const struct plot *plot, const struct status *status)
{
	const struct statistics_point *now =
		status->npoints > 0 ? &status->points[status->npoints - 1] : NULL;

	buf_add_str(out, STR("<figcaption>"));
	buf_printf(out, "<strong>%s</strong> <span class=\"key area-key\">%s", plot->title,
		   plot->area_name);
	if (now)
		write_value(out, plot->area(now), plot->unit);
	buf_add_str(out, STR("</span>"));
	if (plot->line)
		buf_printf(out, " <span class=\"key line-key\">%s", plot->line_name);
	if (plot->line && now)
		write_value(out, plot->line(now), plot->unit);
	buf_add_str(out, plot->line ? STR("</span></figcaption>\n") : STR("</figcaption>\n"));
}

static void write_plot(struct buf *out, const struct plot *plot, const struct status *status)
{
	double now_s = (double)status->now_us / 1e6;
	double first_s = status->npoints > 0 ? (double)status->points[0].at_us / 1e6 : now_s;
	struct frame frame = {.top = top_of(plot, status),
			      .span_s = larger(now_s - first_s, LEAST_SPAN_S)};

	frame.from_s = now_s - frame.span_s;
	buf_add_str(out, STR("<figure>\n"));
	write_legend(out, plot, status);
	buf_printf(out,
		   "<div class=\"plot\"><span class=\"top\">%.4g&nbsp;%s</span>"
		   "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\""
		   " aria-labelledby=\"%s\"><title id=\"%s\">%s over the last %.0f minutes</title>"
		   "<path class=\"grid\" d=\"M0 %dH%dM0 %dH%dM0 %dH%d\"/>",
		   frame.top, plot->unit, WIDTH, HEIGHT, plot->id, plot->id, plot->title,
		   frame.span_s / 60, TOP, WIDTH, (TOP + HEIGHT) / 2, WIDTH, HEIGHT, WIDTH);
	draw(out, status, &frame, plot->area, true);
	draw(out, status, &frame, plot->area, false);
	if (plot->line) {
		buf_add_str(out, STR("<g class=\"second\">"));
		draw(out, status, &frame, plot->line, false);
		buf_add_str(out, STR("</g>"));
	}
	buf_printf(out, "</svg><span class=\"from\">%.0f&nbsp;min ago</span><span class=\"to\">now</span></div>\n</figure>\n",
		   frame.span_s / 60);
}

void status_plots(struct buf *out, const struct status *status)
{
	buf_add_str(out, STR("<div class=\"plots\">\n"));
	for (size_t i = 0; i < COUNT(plots); i++)
		write_plot(out, &plots[i], status);
	buf_add_str(out, STR("</div>\n"));
}
