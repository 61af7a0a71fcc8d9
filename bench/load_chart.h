/* Line charts as inline SVG. */
#ifndef BENCH_LOAD_CHART_H
#define BENCH_LOAD_CHART_H

#include <stddef.h>
#include <stdio.h>

#define LOAD_CHART_SERIES 6
#define LOAD_CHART_POINTS 1200u

struct load_chart_point {
    double x;
    double y; /* below 0: a gap in the line */
};

struct load_chart_series {
    const char *name;  /* in the legend */
    const char *style; /* CSS classes of the line */
    struct load_chart_point points[LOAD_CHART_POINTS];
    size_t count;
};

enum load_chart_x { LOAD_CHART_SECONDS, LOAD_CHART_QUANTILES }; /* x = log10(1 / (1 - q)) */
enum load_chart_y { LOAD_CHART_FROM_ZERO, LOAD_CHART_LOG };

struct load_chart {
    const char *title;
    const char *y_unit;
    enum load_chart_x x;
    enum load_chart_y y;
    struct load_chart_series *series[LOAD_CHART_SERIES];
    size_t count;
};

/* A figure with title, legend and drawing. */
void load_chart_write(const struct load_chart *c, FILE *f);
/* The next of 1, 2, 5 times a power of ten that is not below. */
double load_chart_nice(double value);

#endif
