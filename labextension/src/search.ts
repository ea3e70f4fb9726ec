/** Finds steps by words. */

/** The names of the steps whose name or title has every word, in their order. */
export function stepsWith(
  steps: readonly { readonly name: string; readonly title: string }[],
  words: string
): string[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return steps
    .filter(({ name, title }) => {
      const whole = `${name} ${title}`.toLowerCase();
      return wanted.every(word => whole.includes(word));
    })
    .map(({ name }) => name);
}
