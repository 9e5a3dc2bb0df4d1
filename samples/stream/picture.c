#include "picture.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>

enum { WIDTH = 900, HEIGHT = 500, LEFT = 78, RIGHT = 20, TOP = 48, BOTTOM = 58 };

#define FLOOR_DB (-200.0) /* of the axis of levels, which ends at 0 */
#define STEP_DB 20.0

#define WHITE 0xffffff
#define BLACK 0x202020
#define LINES 0xd8d8d8
#define SHADE 0xf1f1f1
#define BEFORE_COLOR 0x8a8a8a
#define AFTER_COLOR 0x1f5fbf

static void set_color(cairo_t *cairo, unsigned rgb)
{
    cairo_set_source_rgb(cairo, (rgb >> 16 & 0xff) / 255.0, (rgb >> 8 & 0xff) / 255.0,
                         (rgb & 0xff) / 255.0);
}

static double x_of(double part) /* of the sampling rate: 0 to 0.5 */
{
    return LEFT + part * 2 * (WIDTH - LEFT - RIGHT);
}

static double y_of(double level)
{
    return TOP + fmin(fmax(level / FLOOR_DB, 0), 1) * (HEIGHT - TOP - BOTTOM);
}

/* `anchor`: the part of its width that lies left of x. */
static void put_text(cairo_t *cairo, double x, double y, double anchor, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    cairo_move_to(cairo, x - anchor * extents.x_advance, y);
    cairo_show_text(cairo, text);
}

static void put_line(cairo_t *cairo, double x0, double y0, double x1, double y1)
{
    /* On the middle of a pixel, or it would be spread over two. */
    cairo_move_to(cairo, floor(x0) + 0.5, floor(y0) + 0.5);
    cairo_line_to(cairo, floor(x1) + 0.5, floor(y1) + 0.5);
    cairo_stroke(cairo);
}

static void draw_bands(cairo_t *cairo, const struct picture *picture)
{
    const double middle = (picture->pass + picture->stop) / 2;
    set_color(cairo, SHADE);
    cairo_rectangle(cairo, x_of(picture->stop), TOP, x_of(0.5) - x_of(picture->stop),
                    HEIGHT - TOP - BOTTOM);
    cairo_fill(cairo);
    set_color(cairo, BLACK);
    put_text(cairo, x_of(picture->pass / 2), TOP + 18, 0.5, "pass band");
    put_text(cairo, x_of((middle + 0.5) / 2), TOP + 18, 0.5, "stop band");
}

static void draw_levels(cairo_t *cairo)
{
    for (double level = 0; level >= FLOOR_DB; level -= STEP_DB) {
        char text[16];
        snprintf(text, sizeof text, "%.0f", level);
        set_color(cairo, LINES);
        put_line(cairo, x_of(0), y_of(level), x_of(0.5), y_of(level));
        set_color(cairo, BLACK);
        put_text(cairo, LEFT - 8, y_of(level) + 4, 1, text);
    }
    cairo_save(cairo);
    cairo_translate(cairo, 22, (TOP + HEIGHT - BOTTOM) / 2.0);
    cairo_rotate(cairo, -acos(0)); /* a quarter turn */
    put_text(cairo, 0, 0, 0.5, "level, dB of full scale");
    cairo_restore(cairo);
}

/* A round number of hertz, so that there are five to twelve of them. */
static double frequency_step(double highest)
{
    double step = pow(10, floor(log10(highest / 5)));
    return highest / step > 30 ? 5 * step : highest / step > 12 ? 2 * step : step;
}

static void draw_frequencies(cairo_t *cairo, const struct picture *picture)
{
    const double rate = picture->rate;
    const double step = frequency_step(rate / 2);
    for (int i = 0; i * step <= rate / 2; i++) {
        const double x = x_of(i * step / rate);
        char text[32];
        snprintf(text, sizeof text, "%g", i * step / 1000);
        set_color(cairo, LINES);
        put_line(cairo, x, y_of(0), x, y_of(FLOOR_DB));
        set_color(cairo, BLACK);
        put_text(cairo, x, HEIGHT - BOTTOM + 20, 0.5, text);
    }
    char text[64];
    snprintf(text, sizeof text, "frequency, kHz, in bands of %.0f Hz", rate / 2 / SPECTRUM_COLUMNS);
    put_text(cairo, x_of(0.25), HEIGHT - 14, 0.5, text);
}

static void draw_curve(cairo_t *cairo, const struct spectrum *spectrum, unsigned color)
{
    double levels[SPECTRUM_COLUMNS];
    spectrum_levels(spectrum, levels);
    set_color(cairo, color);
    cairo_new_path(cairo); /* text leaves a point behind */
    for (int i = 0; i < SPECTRUM_COLUMNS; i++) {
        cairo_line_to(cairo, x_of((i + 0.5) / (2.0 * SPECTRUM_COLUMNS)), y_of(levels[i]));
    }
    cairo_stroke(cairo);
}

static void draw_key(cairo_t *cairo, double x, unsigned color, const char *text)
{
    set_color(cairo, color);
    put_line(cairo, x, 26, x + 28, 26);
    put_text(cairo, x + 36, 31, 0, text);
}

static void draw(cairo_t *cairo, const struct picture *picture)
{
    set_color(cairo, WHITE);
    cairo_paint(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, 13);
    cairo_set_line_width(cairo, 1);
    draw_bands(cairo, picture);
    draw_levels(cairo);
    draw_frequencies(cairo, picture);

    cairo_set_line_width(cairo, 2);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    draw_curve(cairo, picture->before, BEFORE_COLOR);
    draw_curve(cairo, picture->after, AFTER_COLOR);
    draw_key(cairo, x_of(0.5) - 190, BEFORE_COLOR, "before");
    draw_key(cairo, x_of(0.5) - 80, AFTER_COLOR, "after");

    set_color(cairo, BLACK);
    cairo_set_font_size(cairo, 15);
    put_text(cairo, LEFT, 31, 0, "Spectrum of the sound before and after the filter");
}

bool picture_write(const char *path, const struct picture *picture)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    cairo_t *cairo = cairo_create(surface);
    draw(cairo, picture);
    cairo_status_t status = cairo_status(cairo); /* it keeps the first failure */
    if (status == CAIRO_STATUS_SUCCESS) {
        status = cairo_surface_write_to_png(surface, path);
    }
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    if (status != CAIRO_STATUS_SUCCESS) {
        fprintf(stderr, "stream: %s: %s\n", path, cairo_status_to_string(status));
    }
    return status == CAIRO_STATUS_SUCCESS;
}
