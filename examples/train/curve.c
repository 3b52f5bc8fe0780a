/* Both axes are linear and begin at 0. A loss that is not finite is left out. */
#include "curve.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 320, LEFT = 56, TOP = 40, BELOW = 48, RIGHT = 24 };

struct frame {
  FILE *file;
  double steps, most; /* what the axes end at */
};

static double across(const struct frame *frame, double step) {
  return LEFT + WIDTH * step / frame->steps;
}

static double down(const struct frame *frame, double loss) {
  return TOP + HEIGHT * (1 - loss / frame->most);
}

/* 1, 2 or 5 times a power of ten, such that five to twelve of it are `most`. */
static double tick_of(double most) {
  const double power = pow(10, floor(log10(most)));
  const double left = most / power;
  return power * (left < 2 ? 0.2 : left < 5 ? 0.5 : 1);
}

static void draw_axes(const struct frame *frame, const char *title) {
  FILE *const file = frame->file;
  fprintf(file, "<text class='title' x='%d' y='24'>%s</text>\n", LEFT, title);
  const double tick = tick_of(frame->most);
  for (int i = 0; i * tick <= frame->most; i++) {
    const double y = down(frame, i * tick);
    fprintf(file, "<path class='grid' d='M%d %.1fh%d'/>", LEFT, y, WIDTH);
    fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n", LEFT - 6, y + 4, i * tick);
  }
  const double stride = tick_of(frame->steps);
  for (int i = 0; i * stride <= frame->steps; i++) {
    const double x = across(frame, i * stride);
    fprintf(file, "<path class='grid' d='M%.1f %dv%d'/>", x, TOP, HEIGHT);
    fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", x, TOP + HEIGHT + 18,
            i * stride);
  }
  fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>steps</text>\n", LEFT + WIDTH / 2,
          TOP + HEIGHT + 38);
}

/* Of the finite ones among the last `of` losses up to this one. */
static double mean_before(const float *losses, size_t at, size_t of) {
  double sum = 0;
  int count = 0;
  for (size_t i = at + 1 > of ? at + 1 - of : 0; i <= at; i++) {
    if (!isfinite(losses[i])) continue;
    sum += losses[i];
    count++;
  }
  return sum / count;
}

static void draw_line(const struct frame *frame, const float *losses, size_t count, size_t mean_of,
                      const char *class) {
  char move = 'M';
  fprintf(frame->file, "<path class='%s' d='", class);
  for (size_t i = 0; i < count; i++) {
    if (!isfinite(losses[i])) continue;
    fprintf(frame->file, "%c%.1f %.1f", move, across(frame, (double)i),
            down(frame, mean_before(losses, i, mean_of)));
    move = 'L';
  }
  fprintf(frame->file, "'/>\n");
}

static double largest(const float *losses, size_t count) {
  double most = 0;
  for (size_t i = 0; i < count; i++) {
    if (isfinite(losses[i]) && losses[i] > most) most = losses[i];
  }
  return most > 0 ? most : 1;
}

int curve_write(const char *path, const float *losses, size_t count, const char *title) {
  const struct frame frame = {.file = fopen(path, "w"),
                              .steps = count > 1 ? (double)(count - 1) : 1,
                              .most = largest(losses, count)};
  if (frame.file != NULL) {
    fprintf(frame.file,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d'>\n"
            "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold;font-size:14px}"
            ".grid{stroke:#ddd}path{fill:none}.each{stroke:#9cc3e6}"
            ".mean{stroke:#0b63b0;stroke-width:2}</style>\n"
            "<rect width='100%%' height='100%%' fill='white'/>\n",
            LEFT + WIDTH + RIGHT, TOP + HEIGHT + BELOW);
    draw_axes(&frame, title);
    draw_line(&frame, losses, count, 1, "each");
    draw_line(&frame, losses, count, 20, "mean");
    fprintf(frame.file, "</svg>\n");
  }
  const int failed = frame.file == NULL || ferror(frame.file);
  if (frame.file != NULL && fclose(frame.file) == 0 && !failed) return 0;
  fprintf(stderr, "train: %s: %s\n", path, strerror(errno));
  return 1;
}
