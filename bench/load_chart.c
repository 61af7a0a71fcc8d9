#include "load_chart.h"

#include <math.h>

#define WIDTH  900.0
#define HEIGHT 280.0
#define LEFT   70.0
#define RIGHT  20.0
#define TOP    12.0
#define BOTTOM 34.0

struct scale {
    double x_low, x_high, y_low, y_high; /* y as drawn: its logarithm when log */
    int log;
};

double load_chart_nice(double value) {
    if (!(value > 0)) {
        return 1;
    }
    double power = pow(10, floor(log10(value)));
    double m = value / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static double across(const struct scale *s, double x) {
    return LEFT + (x - s->x_low) / (s->x_high - s->x_low) * (WIDTH - LEFT - RIGHT);
}

static double up(const struct scale *s, double y) {
    double drawn = s->log ? log10(y) : y;
    return HEIGHT - BOTTOM -
           (drawn - s->y_low) / (s->y_high - s->y_low) * (HEIGHT - TOP - BOTTOM);
}

static int drawable(const struct scale *s, const struct load_chart_point *p) {
    return s->log ? p->y > 0 : p->y >= 0;
}

static struct scale scale_of(const struct load_chart *c) {
    struct scale s = {0, 0, 0, 0, c->y == LOAD_CHART_LOG};
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct load_chart_series *series = c->series[i];
        for (size_t k = 0; k < series->count; k++) {
            const struct load_chart_point *p = &series->points[k];
            s.x_high = fmax(s.x_high, p->x);
            if (drawable(&s, p)) {
                low = fmin(low, p->y);
                high = fmax(high, p->y);
            }
        }
    }
    s.x_high = s.x_high > 0 ? s.x_high : 1;
    if (s.log) {
        low = high > 0 ? low : 1;
        high = high > 0 ? high : 10;
        s.y_low = floor(log10(low) * 3) / 3; /* thirds of a decade: about 1, 2, 5 */
        s.y_high = ceil(log10(high) * 3) / 3;
        s.y_high = s.y_high > s.y_low ? s.y_high : s.y_low + 1;
    } else {
        double step = load_chart_nice((high > 0 ? high : 1) / 5);
        s.y_high = ceil((high > 0 ? high : 1) / step) * step;
    }
    return s;
}

/* ---- axes ---- */

static void write_tick_y(const struct scale *s, double y, FILE *f) {
    double at = up(s, y);
    fprintf(f,
            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.10g</text>\n",
            LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, y);
}

static void write_axis_y(const struct scale *s, FILE *f) {
    if (!s->log) {
        double step = load_chart_nice(s->y_high / 5.5);
        for (double y = 0; y <= s->y_high * 1.0001; y += step) {
            write_tick_y(s, y, f);
        }
        return;
    }
    static const double parts[] = {1, 2, 5};
    int sparse = s->y_high - s->y_low > 3;
    for (double e = floor(s->y_low); e <= s->y_high; e++) {
        for (int i = 0; i < (sparse ? 1 : 3); i++) {
            double y = parts[i] * pow(10, e);
            if (log10(y) >= s->y_low - 1e-9 && log10(y) <= s->y_high + 1e-9) {
                write_tick_y(s, y, f);
            }
        }
    }
}

static void write_tick_x(const struct scale *s, double x, const char *text, FILE *f) {
    double at = across(s, x);
    fprintf(f,
            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
            at, at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 16, text);
}

static void write_axis_x(const struct load_chart *c, const struct scale *s, FILE *f) {
    char text[32];
    if (c->x == LOAD_CHART_QUANTILES) {
        static const char *const names[] = {"0 %",     "90 %",     "99 %",     "99.9 %",
                                            "99.99 %", "99.999 %", "99.9999 %"};
        for (size_t i = 0; i < 7 && (double)i <= s->x_high; i++) {
            write_tick_x(s, (double)i, names[i], f);
        }
        return;
    }
    double step = load_chart_nice(s->x_high / 10);
    for (double x = 0; x <= s->x_high * 1.0001; x += step) {
        snprintf(text, sizeof text, "%.10g s", x);
        write_tick_x(s, x, text, f);
    }
}

/* ---- lines ---- */

static void write_line(const struct scale *s, const struct load_chart_series *series, FILE *f) {
    int pen_down = 0;
    fprintf(f, "<path class=\"%s\" d=\"", series->style);
    for (size_t i = 0; i < series->count; i++) {
        const struct load_chart_point *p = &series->points[i];
        if (!drawable(s, p)) {
            pen_down = 0;
            continue;
        }
        fprintf(f, "%c%.1f %.1f", pen_down ? 'L' : 'M', across(s, p->x), up(s, p->y));
        if (!pen_down) { /* a point alone is seen, too */
            fprintf(f, "h0.1");
        }
        pen_down = 1;
    }
    fprintf(f, "\"><title>%s</title></path>\n", series->name);
}

static void write_legend(const struct load_chart *c, FILE *f) {
    fprintf(f, "<figcaption><b>%s</b> <span class=\"unit\">%s</span>", c->title, c->y_unit);
    for (size_t i = 0; i < c->count; i++) {
        fprintf(f,
                " <span class=\"key\"><svg width=\"28\" height=\"10\" aria-hidden=\"true\">"
                "<line class=\"%s\" x1=\"1\" x2=\"27\" y1=\"5\" y2=\"5\"/></svg> %s</span>",
                c->series[i]->style, c->series[i]->name);
    }
    fprintf(f, "</figcaption>\n");
}

void load_chart_write(const struct load_chart *c, FILE *f) {
    struct scale s = scale_of(c);
    fprintf(f, "<figure>\n");
    write_legend(c, f);
    fprintf(f,
            "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">\n",
            WIDTH, HEIGHT, c->title);
    write_axis_y(&s, f);
    write_axis_x(c, &s, f);
    for (size_t i = 0; i < c->count; i++) {
        write_line(&s, c->series[i], f);
    }
    fprintf(f, "</svg>\n</figure>\n");
}
