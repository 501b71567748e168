import fc from 'fast-check'

/**
 * Property tests try the same cases in every run, so that a run that fails fails again. Others are tried with
 * `INFERQ_PROPERTY_SEED=<number>`; what they find becomes a case of its own.
 */
const seed = Number(process.env['INFERQ_PROPERTY_SEED'] ?? 20_261_121)
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
