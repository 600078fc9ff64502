/* Numbers of an input that was a field of the training data: finite, not missing where nothing stands for that, and in the place of dates days since 1970-01-01, near those of the
   data. Some are none by the look of them, as 20240314 or a spreadsheet's 45365. */
#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WITHIN 3653  /* ten years, in days */
#define BEYOND 18263 /* fifty */
#define DAY 86400.0  /* seconds */
#define EXACT 16777216 /* from here on numbers of 32 bits have gaps */
#define SPREADSHEET 25569 /* days from 1899-12-30 to 1970-01-01 */
#define EXAMPLE 19796 /* 2024-03-14 */
#define CALENDAR 1e7 /* more days than from 1970 to any date that is written */

/* How dates are written, from the plainest form to that which says most, as a manifest calls it and in words. */
static const struct {
  const char *name, *words;
} forms[] = {{"day", "a date"}, {"time", "a date with its time"}, {"utc", "a time in UTC"}};

typedef struct {
  int form; /* the place in `forms`; -1 where the numbers were no dates */
  double first, last;
} trained_dates;

/* Days from 1970-01-01 to a date of the calendar that is in use, also before it was: months begin with March, so that leap days are last. */
static int64_t days_to(int64_t year, int64_t month, int64_t day) {
  int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
  int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* Years are those that a text of a date has, 0001 to 9999. */
static int is_day(int64_t year, int64_t month, int64_t day) {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return 0;
  return day <= days_to(year + month / 12, month % 12 + 1, 1) - days_to(year, month, 1);
}

int mai_days_of(int year, int month, int day, float *days) {
  if (!is_day(year, month, day)) return fail("there is no day %04d-%02d-%02d", year, month, day);
  if (!days) return fail("there is no place for the days");
  *days = (float)days_to(year, month, day);
  return 1;
}

/* A date of so many days, written YYYY-MM-DD. */
static void write_day(char to[24], double days) {
  int64_t day = (int64_t)floor(days), year = 1970 + (int64_t)floor(days / 365.2425), month = 1;
  while (days_to(year, 1, 1) > day) year--;
  while (days_to(year + 1, 1, 1) <= day) year++;
  while (month < 12 && days_to(year, month + 1, 1) <= day) month++;
  snprintf(to, 24, "%04d-%02d-%02d", (int)year, (int)month, (int)(day - days_to(year, month, 1) + 1));
}

/* Days of a date whose digits stand one behind the other, as 20240314 or 202403140930; NAN for other numbers. */
static double of_digits(double number) {
  char digits[32];
  int year, month, day, hour = 0, minute = 0, second = 0;
  if (number != floor(number) || !(number >= 1e7 && number < 1e14)) return NAN;
  int length = snprintf(digits, sizeof digits, "%.0f", number);
  if (length != 8 && length != 12 && length != 14) return NAN;
  sscanf(digits, "%4d%2d%2d%2d%2d%2d", &year, &month, &day, &hour, &minute, &second);
  if (!is_day(year, month, day) || hour > 23 || minute > 59 || second > 59) return NAN;
  return (double)days_to(year, month, day) + (hour * 3600 + minute * 60 + second) / DAY;
}

static double of_year(double number) {
  return number == floor(number) && number >= 1000 && number <= 9999 ? (double)days_to((int64_t)number, 1, 1) : NAN;
}

static double of_spreadsheet(double number) { return number - SPREADSHEET; }
static double of_seconds(double number) { return number / DAY; }
static double of_milliseconds(double number) { return number / (DAY * 1e3); }
static double of_microseconds(double number) { return number / (DAY * 1e6); }
static double of_nanoseconds(double number) { return number / (DAY * 1e9); }

/* What numbers in the place of dates may be besides days since 1970-01-01, and their days. */
static const struct {
  const char *words;
  double (*days_of)(double number);
} ways[] = {
    {"a date in digits alone", of_digits},
    {"a year", of_year},
    {"days since 1899-12-30, as a spreadsheet counts them", of_spreadsheet},
    {"seconds since 1970", of_seconds},
    {"milliseconds since 1970", of_milliseconds},
    {"microseconds since 1970", of_microseconds},
    {"nanoseconds since 1970", of_nanoseconds},
};
#define WAYS (sizeof ways / sizeof *ways)

/* The form in which a field's numbers are written: where all of them were dates, that of them which says most. */
static int form_of(const json *forms_of_numbers) {
  int most = -1;
  for (size_t i = 0; forms_of_numbers && i < forms_of_numbers->count; i++) {
    const char *name = forms_of_numbers->items[i].text;
    if (!name) return -1;
    for (int form = 0; form < 3; form++)
      if (strcmp(name, forms[form].name) == 0 && form > most) most = form;
  }
  return most;
}

/* The least of a list of numbers (sign 1), or the largest (sign -1). */
static double extreme(const json *numbers, int sign) {
  double best = INFINITY;
  for (size_t i = 0; numbers && i < numbers->count; i++) best = fmin(best, sign * numbers->items[i].number);
  return sign * best;
}

/* How far a number is from the dates of the data. */
static double distance(const trained_dates *dates, double number) { return fmax(dates->first - number, number - dates->last); }

/* The days of a number that is of the time of the data if it is read in a way, NAN where it is not. Rounded to 32 bits, it may have been
   its neighbours, too. */
static double read_in(const trained_dates *dates, double (*days_of)(double number), double number) {
  static const int neighbours[] = {0, 1, -1};
  for (int i = 0; i < (fabs(number) > EXACT ? 3 : 1); i++) {
    double days = days_of(number + neighbours[i]);
    if (dates->first - WITHIN <= days && days <= dates->last + WITHIN) return days;
  }
  return NAN;
}

/* A number in as few digits as tell it from all others. */
static void write_number(char to[32], double number) {
  int digits = 1;
  if (number == floor(number) && fabs(number) < 1e21) {
    snprintf(to, 32, "%.0f", number);
    return;
  }
  do snprintf(to, 32, "%.*g", digits, number);
  while (strtod(to, NULL) != number && digits++ < 17);
}

/* Say why a number is none of days since 1970-01-01, and which number a date has. */
static int refuse(const char *name, const trained_dates *dates, double number, const char *looks, const char *way, double days) {
  char first[24], last[24], shown[24], written[32];
  write_day(first, dates->first);
  write_day(last, dates->last);
  write_day(shown, days);
  write_number(written, number);
  fail("`%s` is %s, %s to %s in the data", name, forms[dates->form].words, first, last);
  fail_more("; numbers are days since 1970-01-01, and %s %s%s (%s is %.0f)", written, looks, way, shown, floor(days));
  return 0;
}

/* A number is refused that lies further from the dates of the data than these from each other and fifty years; or ten years from them,
   where it is one of their time if it is read in another way. */
static int check_date(const char *name, const trained_dates *dates, double number) {
  for (size_t way = 0; distance(dates, number) > WITHIN && way < WAYS; way++) {
    double days = read_in(dates, ways[way].days_of, number);
    if (!isnan(days)) return refuse(name, dates, number, "looks like ", ways[way].words, fabs(number) > EXACT ? EXAMPLE : days);
  }
  if (!(distance(dates, number) > dates->last - dates->first + BEYOND)) return 1;
  return refuse(name, dates, number, "is far from these", "", EXAMPLE);
}

/* The dates of a field in the data: none where it had other numbers, or where a manifest says something else of them than days. */
static trained_dates dates_of(const json *facts) {
  trained_dates dates = {form_of(json_member(facts, "dates")), extreme(json_member(facts, "low"), 1), extreme(json_member(facts, "high"), -1)};
  if (!(fabs(dates.first) < CALENDAR && fabs(dates.last) < CALENDAR)) dates.form = -1;
  return dates;
}

const json *facts_of(const mai_model *model, const mai_port *port) {
  return json_member(json_member(model->manifest, "facts"), port->name);
}

/* Whether a number said in the data's tables that there is no value, as -999; the others there are words. */
static int is_absent(const json *absent, float value) {
  for (size_t i = 0; absent && i < absent->count; i++) {
    const char *text = absent->items[i].text;
    char *end = NULL;
    float code = text ? strtof(text, &end) : NAN;
    if (code == value && end != text && !*end) return 1;
  }
  return 0;
}

void blank_absent(const mai_model *model, const mai_port *port, float *values, size_t count) {
  const json *absent = json_member(facts_of(model, port), "absent");
  for (size_t i = 0; absent && i < count; i++)
    if (is_absent(absent, values[i])) values[i] = NAN;
}

int check_field(const mai_model *model, const mai_port *port, const float *values, size_t count) {
  const json *facts = facts_of(model, port), *absent = json_member(facts, "absent");
  trained_dates dates = dates_of(facts);
  int may_lack = json_number(facts, "gaps", 0) != 0 || json_number(entry_of(model, port->name), "gaps", 1) != 0;
  for (size_t i = 0; facts && i < count; i++) {
    int lacks = isnan(values[i]) || is_absent(absent, values[i]);
    if (lacks && !may_lack) return fail("`%s` is missing (NaN), and this file has nothing for that", port->name);
    if (isinf(values[i])) return fail("`%s` is a finite number, as in the data, this holds %g", port->name, values[i]);
    if (dates.form >= 0 && !lacks && !check_date(port->name, &dates, values[i])) return 0;
  }
  return 1;
}
