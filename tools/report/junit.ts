import type { CaseResult } from './runner.js';

/** Bytes XML 1.0 cannot carry even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: naming the control characters is the point
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

export function escapeXml(text: string): string {
  return text
    .replace(NOT_XML, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** A full name such as `hmm.hmm_device_private.anon_read` gives its class (all but the last part) and its method. */
function splitName({ name, method: last }: CaseResult): { className: string; method: string } {
  const dot = last === undefined ? name.lastIndexOf('.') : name.length - last.length - 1;
  return dot < 0 ? { className: name, method: name } : { className: name.slice(0, dot), method: name.slice(dot + 1) };
}

function testCase(result: CaseResult): string {
  const { className, method } = splitName(result);
  const head = `<testcase classname="${escapeXml(`${result.path}.${className}`)}" name="${escapeXml(method)}" time="${(result.ms / 1000).toFixed(3)}"`;
  if (result.status === 'skip') return `    ${head}><skipped message="${escapeXml(result.reason ?? '')}"/></testcase>`;
  if (result.status === 'fail') {
    const body = escapeXml((result.diagnostics ?? []).join('\n'));
    return `    ${head}><failure message="${escapeXml(result.message ?? 'failed')}">${body}</failure></testcase>`;
  }
  return `    ${head}/>`;
}

function totals(results: readonly CaseResult[]): string {
  const count = (status: CaseResult['status']) => results.filter((r) => r.status === status).length;
  const seconds = results.reduce((sum, r) => sum + r.ms, 0) / 1000;
  return `tests="${results.length}" failures="${count('fail')}" errors="0" skipped="${count('skip')}" time="${seconds.toFixed(3)}"`;
}

function propertyLines(properties: JunitRun['properties']): string[] {
  const known = Object.entries(properties).filter(([, value]) => value !== undefined);
  const line = ([name, value]: (typeof known)[number]): string =>
    `      <property name="${escapeXml(name)}" value="${escapeXml(String(value))}"/>`;
  return ['    <properties>', ...known.map(line), '    </properties>'];
}

/** What a document says beside its results. */
export interface JunitRun {
  /** The command. */
  readonly name: string;
  /** Seed, profile and what else is needed to run it again; the path stands in each suite. */
  readonly properties: Readonly<Record<string, string | number | undefined>>;
  /** When the run began. */
  readonly at: Date;
}

/**
 * All results as one JUnit XML document, one `testsuite` a path and suite, with the attributes that Jenkins' and GitLab's readers want:
 * totals on every level, a timestamp, and properties.
 */
export function junitXml(results: readonly CaseResult[], { name, properties, at }: JunitRun): string {
  const groups = new Map<string, CaseResult[]>();
  for (const result of results) {
    const key = `${result.path}.${result.suite}`;
    const group = groups.get(key);
    if (group) group.push(result);
    else groups.set(key, [result]);
  }
  // No fraction and no zone: the one form that every reader takes.
  const timestamp = at.toISOString().slice(0, 19);
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites name="${escapeXml(name)}" ${totals(results)}>`];
  for (const [name, group] of groups) {
    lines.push(
      `  <testsuite name="${escapeXml(name)}" ${totals(group)} timestamp="${timestamp}">`,
      ...propertyLines({ ...properties, path: group[0]!.path }),
      ...group.map(testCase),
      '  </testsuite>',
    );
  }
  lines.push('</testsuites>', '');
  return lines.join('\n');
}
