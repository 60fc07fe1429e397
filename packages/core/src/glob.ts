/**
 * Whether a whole text matches a glob: `*` stands for any text, `?` for one character, everything else for itself. Takes
 * time in proportion to both lengths at worst, whatever the glob is.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let [at, from] = [0, 0];
  // The last star, and where the text that it stands for ends so far: only that one ever has to grow.
  let [star, end] = [-1, 0];
  while (from < text.length) {
    if (glob[at] === '*') {
      [star, end] = [at++, from];
    } else if (glob[at] === '?' || glob[at] === text[from]) {
      at++;
      from++;
    } else if (star >= 0) {
      at = star + 1;
      from = ++end;
    } else return false;
  }
  while (glob[at] === '*') at++;
  return at === glob.length;
}
