export const auditPage = () => null;
