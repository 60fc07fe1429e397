/** The repository of the CI job that this runs in. */
export function repositoryOf({ GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name, CI_PROJECT_URL: project }) {
  if (server && name) return `git+${server}/${name}.git`;
  return project ? `git+${project}.git` : undefined;
}
