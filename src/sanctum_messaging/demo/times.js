const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const DAY_MS = 24 * 3600 * 1000;
const HALF_A_YEAR_DAYS = 180;

/** @param {Date} date */
const startOfDay = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();

/** @param {Date} date */
const daysAgo = (date) => Math.round((startOfDay(new Date()) - startOfDay(date)) / DAY_MS);

/**
 * The time of day.
 *
 * @param {Date} date
 */
export const timeOf = (date) => TIME.format(date);

/**
 * The day, as a heading.
 *
 * @param {Date} date
 */
export function dayOf(date) {
  const ago = daysAgo(date);
  if (ago === 0) return 'Today';
  if (ago === 1) return 'Yesterday';
  return (ago < HALF_A_YEAR_DAYS ? WEEKDAY : DATE).format(date);
}

/**
 * When something was, as short as it can be said: the time today, else the day.
 *
 * @param {Date} date
 */
export function shortOf(date) {
  const ago = daysAgo(date);
  if (ago === 0) return timeOf(date);
  return ago === 1 ? 'Yesterday' : DATE.format(date);
}
