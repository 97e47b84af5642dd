// What a client sees of a call that is refused.
import assert from 'node:assert/strict';

const KEYS = {
  BAD_REQUEST: [-32600, 400],
  UNAUTHORIZED: [-32001, 401],
  NOT_FOUND: [-32004, 404],
  METHOD_NOT_SUPPORTED: [-32005, 405],
  CONFLICT: [-32009, 409],
  PRECONDITION_FAILED: [-32012, 412],
};

/** Waits for a call to be refused with `key`, checks all that T3's front-ends read of an error, and returns it. */
export async function refused(call, key, path, TRPCClientError) {
  const error = await call.then(
    (answer) => assert.fail(`${path} was not refused but answered ${JSON.stringify(answer)}`),
    (error) => error,
  );
  assert.ok(error instanceof TRPCClientError, `${path}: ${error?.stack}`);
  const [code, httpStatus] = KEYS[key];
  assert.deepEqual(
    { path: error.data?.path, code: error.data?.code, httpStatus: error.data?.httpStatus, number: error.shape?.code },
    { path, code: key, httpStatus, number: code },
    error.message,
  );
  assert.equal(error.message, error.shape.message);
  assert.equal('stack' in error.data, false, 'no stack is sent');
  if (key === 'BAD_REQUEST') {
    assert.ok(Array.isArray(error.data.zodError?.formErrors), error.message);
    assert.deepEqual(issuesByField(error), { ...error.data.zodError.fieldErrors }, 'the message lists the same issues');
  } else {
    assert.equal(error.data.zodError, null);
  }
  return error;
}

/** zod's message is its list of issues. */
function issuesByField(error) {
  const fields = {};
  for (const { path, message } of JSON.parse(error.message)) {
    if (path.length > 0) (fields[path[0]] ??= []).push(message);
  }
  return fields;
}

/** The fields that a refusal names, by name. */
export function wrongFields(error) {
  return Object.keys(error.data.zodError.fieldErrors).sort();
}
