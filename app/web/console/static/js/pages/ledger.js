export const ledgerPage = () => null;
