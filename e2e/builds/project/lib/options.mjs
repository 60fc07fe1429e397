/** Options that are taken as they are. */
export const anyOptions = { '~standard': { version: 1, vendor: 'project', validate: (value) => ({ value }) } };
