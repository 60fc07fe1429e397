/**
 * First names that are often a common word, or the start of a title: they count behind an address such as "Dear", and
 * before a surname. More of them are found from the data, by how often they are in lower case.
 */
export const WORD_NAMES: ReadonlySet<string> = new Set(
  (
    'Ace Amber Angel Art Autumn Baron Basil Beau Berry Bill Bishop Blaze Blossom Bob Brandy Bud Buck Candy Carol Cash ' +
    'Chance Charity Chase Chip Christian Chuck Clay Cliff Clover Colt Constance Cooper Coral Count Crystal Daisy Dale ' +
    'Dawn Dean Destiny Dick Don Dot Drew Duke Earl Ebony Eve Faith Fawn Fern Flora Forest Frank Free Gale Garland Gay ' +
    'Gene Ginger Glen Glory Goldie Grace Grant Gray Guy Happy Harmony Harry Haven Hazel Heath Heather Holly Honey ' +
    'Hope Hunter Iris Ivory Ivy Jack Jade Jasmine Jewel Job Joy Judge King Lance Lane Lily Long Love Major Mark Marina ' +
    'Marshal Mason Max Melody Mercy Merry Mickey Miles Misty Nova Olive Opal Page Palm Pansy Parker Pat Patience Patsy ' +
    'Pearl Penny Peg Pierce Pleasant Poppy Porter Prince Prudence Randy Ray Red Reed Rich Rob Robin Rock Rocky Rod ' +
    'Roman Rose Rosemary Royal Ruby Rusty Sage Sandy Sherry Skip Sky Spring Star Sterling Stone Sue Sunny Tab Teddy ' +
    'Temple Thorn Tiffany Timber Trey Tucker Van Verity Victor Viola Violet Wade Ward Will Willow'
  ).split(' '),
);

/** First names that are more often a month, a day, a place or a firm: they count only behind an address. */
export const PROPER_NAMES: ReadonlySet<string> = new Set(
  (
    'April August January June March May Tuesday Friday Spring Summer Winter ' +
    'Alabama Alexandria Arizona Asia Athens Atlanta Austin Berlin Boston Brazil Britain Brittany Brooklyn Cairo ' +
    'Calcutta Carolina Charleston Charlotte Chelsea Chester China Cleveland Columbia Concord Dakota Dallas Denver ' +
    'Dublin Eden England Europa Florence Florida France Geneva Georgia German Germany Holland Houston India Indiana ' +
    'Ireland Israel Jackson Jersey Jordan Kent Kenya Kingston Lincoln London Louisiana Lyon Madison Malta Marseilles ' +
    'Memphis Milan Missouri Montana Nevada Odessa Orlando Paris Persia Petra Philippine Phoenix Raleigh Regina Rhodes ' +
    'Rio Rome Salem San Santiago Savannah Scotland Sheffield Sydney Tennessee Texas Trenton Trinidad Troy Utah ' +
    'Valencia Venice Vienna Virginia Wales Washington Welsh Winchester Windsor York ' +
    'Ada Chevy Chrysler Edsel Ford Java Lotus Mac Macy Mercedes Morgan Norton Oracle Pascal Perl Porsche Python Sears ' +
    'Siemens'
  ).split(' '),
);

/** What stands before a name, with or without a full stop. */
export const ADDRESSES: ReadonlySet<string> = new Set(
  'dear hi hello hey mr mrs ms miss dr prof sir madam brother sister uncle aunt thanks cheers regards'.split(' '),
);

/** Words that are common in any English text, however little of it there is. */
export const COMMON_WORDS: ReadonlySet<string> = new Set(
  (
    'a about after all also although am an and another any are as ask at be because been before but by call can could ' +
    'did do does for forwarded from had has have he her here his how i if in into is it its just like meet message my ' +
    'new no not now of off on once only or our out over please re said says she should since so some still subject tell ' +
    'than thank that the their then there they this to today too under until up very was we were what when where which ' +
    'while who why with would wrote yes yesterday yet you your'
  ).split(' '),
);
